// A tool's Vega-Lite spec as a picture: loaded when the first is shown, without eval, without any fetch.
import { button, el } from "./dom";
import { save } from "./files";
import type { ChartSpec } from "./contract";
import { onThemeChange } from "./theme";

type View = import("vega-embed").Result["view"];
const PNG_SCALE = 2;

export class Chart {
  readonly #canvas = el("div", { class: "canvas" });
  readonly #saving = el("div", { class: "row end", hidden: true });
  readonly element = el("figure", { class: "chart" }, this.#canvas, this.#saving);
  readonly #forget: () => void;
  #finalize = () => {};

  constructor(
    readonly spec: ChartSpec,
    readonly name: string,
  ) {
    this.#forget = onThemeChange(() => void this.draw());
  }

  /** Draw it, once it is on the page: its width is that of its place. */
  async draw(): Promise<void> {
    const { default: embed, vega } = await import("vega-embed");
    const { expressionInterpreter } = await import("vega-interpreter");
    if (!this.element.isConnected) {
      return;
    }
    const loader = vega.loader();
    loader.load = () => Promise.reject(new Error("A chart fetches nothing."));
    try {
      const shown = await embed(this.#canvas, structuredClone(this.spec) as never, {
        mode: "vega-lite",
        renderer: "svg",
        actions: false,
        ast: true,
        expr: expressionInterpreter as never,
        defaultStyle: false,
        tooltip: { disableDefaultStyle: true },
        loader,
        logLevel: vega.Error,
        config: themed(this.#canvas.clientWidth),
      });
      this.#finalize();
      this.#finalize = shown.finalize;
      this.#offer(shown.view);
    } catch {
      this.#canvas.replaceChildren(el("p", { class: "note" }, "This chart cannot be drawn. Its rows are below."));
    }
  }

  /** Offer it as a picture, on the ground that its colours are made for. */
  #offer(view: View): void {
    const png = async () => {
      const canvas = (await view.toCanvas(PNG_SCALE)) as HTMLCanvasElement;
      canvas.toBlob((blob) => blob && save(`${this.name}.png`, blob), "image/png");
    };
    const svg = async () => save(`${this.name}.svg`, await view.toSVG(), "image/svg+xml");
    this.#saving.replaceChildren(
      button("PNG", () => void png(), { class: "quiet", "aria-label": "Save chart as PNG" }),
      button("SVG", () => void svg(), { class: "quiet", "aria-label": "Save chart as SVG" }),
    );
    this.#saving.hidden = false;
  }

  dispose(): void {
    this.#forget();
    this.#finalize();
  }
}

/** Vega's colours, from the page's own; a title is cut at the width there is. */
function themed(width: number) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const [text, muted, line] = [colour("--text"), colour("--muted"), colour("--line")];
  return {
    background: colour("--raised"),
    font: colour("--font"),
    title: { color: text, fontSize: 14, fontWeight: 600, anchor: "start", offset: 12, limit: width, subtitleColor: muted },
    axis: {
      labelColor: muted,
      titleColor: muted,
      titleFontWeight: 500,
      gridColor: line,
      domainColor: line,
      tickColor: line,
      labelFontSize: 11.5,
      titleFontSize: 12,
    },
    axisQuantitative: { tickCount: 5 },
    legend: { labelColor: muted, titleColor: muted, labelFontSize: 11.5, titleFontSize: 12 },
    header: { labelColor: muted, titleColor: muted },
    view: { stroke: "transparent" },
    text: { color: text },
    rule: { color: muted },
  } as const;
}
