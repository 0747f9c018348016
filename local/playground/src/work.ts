// The work behind an answer: one fold per tool call, with what was asked, the SQL, the rows and what it took.
import { Chart } from "./chart";
import { button, el } from "./dom";
import { bytes, count, seconds, value } from "./format";
import { rowsOf } from "./table";
import type { ChartSpec, Row, ToolResult } from "./contract";

export class Work {
  readonly #summary = el("summary", {});
  readonly #body = el("div", { class: "work-body" });
  readonly element: HTMLElement;
  readonly charts = el("div", { class: "charts" });
  #chart: Chart | null = null;

  constructor(
    readonly name: string,
    readonly args: string,
  ) {
    this.element = el("details", { class: "work" }, this.#summary, this.#body);
    this.#say("running", "running …");
    this.#body.append(asked(args));
  }

  finish(result: ToolResult): void {
    if (result.error) {
      this.#say("failed", "did not work");
      this.#body.append(el("p", { class: "problem" }, result.error.message));
      return;
    }
    this.#say("done", facts(result));
    this.#body.append(
      ...(result.sql ? sql(result.sql, result.parameters ?? {}) : []),
      ...rowsOf(result, this.name),
    );
    if (result.chart) {
      this.draw(result.chart);
    }
  }

  /** Show its chart, once: an event and a result may both bring it. */
  draw(spec: ChartSpec): void {
    if (this.#chart === null) {
      this.#chart = new Chart(spec, this.name);
      this.charts.append(this.#chart.element);
      void this.#chart.draw();
    }
  }

  dispose(): void {
    this.#chart?.dispose();
  }

  #say(state: string, said: string): void {
    this.element.dataset["state"] = state;
    this.#summary.replaceChildren(el("code", {}, this.name), el("span", {}, said));
  }
}

function facts(result: ToolResult): string {
  const read = result.cached ? "kept from before" : result.bytes_processed ? `${bytes(result.bytes_processed)} read` : "";
  const took = result.duration_ms === undefined ? "" : seconds(result.duration_ms);
  return [count(result.row_count ?? 0, "row"), read, took].filter(Boolean).join(" · ");
}

/** Period and filters: the arguments the model chose. */
function asked(args: string): HTMLElement {
  const chosen = Object.entries(JSON.parse(args || "{}") as Row);
  const list = el("dl", {});
  for (const [name, chosenValue] of chosen) {
    list.append(el("dt", {}, name.replaceAll("_", " ")), el("dd", {}, value(chosenValue)));
  }
  return chosen.length ? list : el("p", { class: "note" }, "Asked without period or filter.");
}

function sql(text: string, parameters: Record<string, unknown>): Node[] {
  const bound = Object.entries(parameters).map(([name, each]) => `@${name} = ${JSON.stringify(each)}`);
  const copy = button("Copy SQL", () => void navigator.clipboard.writeText(text), { class: "quiet" });
  return [
    el("div", { class: "work-head" }, el("strong", {}, "SQL"), copy),
    el("pre", { class: "sql", tabindex: 0, "aria-label": "SQL" }, text),
    bound.length ? el("pre", { class: "bound", tabindex: 0, "aria-label": "Parameters" }, bound.join("\n")) : "",
  ].filter((node) => node instanceof Node);
}
