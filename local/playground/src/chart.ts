// A tool's Vega-Lite spec as a picture: loaded when the first is shown, without eval, without any fetch.
import { el } from "./dom";
import type { ChartSpec } from "./contract";
import { onThemeChange } from "./theme";

export class Chart {
  readonly #canvas = el("div", { class: "canvas" });
  readonly element = el("figure", { class: "chart" }, this.#canvas);
  readonly #forget: () => void;
  #finalize = () => {};

  constructor(readonly spec: ChartSpec) {
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
    } catch {
      this.#canvas.replaceChildren(el("p", { class: "note" }, "This chart cannot be drawn. Its rows are below."));
    }
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
    background: "transparent",
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
