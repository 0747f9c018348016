// The work behind an answer: one fold per tool call, with what was asked, the SQL, the rows and what it took.
import { Chart } from "./chart";
import { button, el } from "./dom";
import { bytes, count, seconds, value } from "./format";
import type { ChartSpec, Row, ToolResult } from "./contract";

const SHOWN_ROWS = 10;

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
      ...rows(result),
    );
    if (result.chart) {
      this.draw(result.chart);
    }
  }

  /** Show its chart, once: an event and a result may both bring it. */
  draw(spec: ChartSpec): void {
    if (this.#chart === null) {
      this.#chart = new Chart(spec);
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

function rows(result: ToolResult): Node[] {
  const found = result.rows ?? [];
  const columns = (result.columns ?? []).map((column) => column.name);
  if (!found.length || !columns.length) {
    return [el("p", { class: "note" }, "No rows.")];
  }
  const body = el("tbody", {}, ...found.slice(0, SHOWN_ROWS).map((row) => line(columns, row)));
  const table = el("table", {}, el("thead", {}, el("tr", {}, ...columns.map((name) => head(name, found)))), body);
  const parts: Node[] = [
    el("div", { class: "work-head" }, el("strong", {}, "Rows")),
    el("div", { class: "table", tabindex: 0, role: "region", "aria-label": "Rows" }, table),
  ];
  if (found.length > SHOWN_ROWS) {
    const rest = found.slice(SHOWN_ROWS);
    const more = button(`Show ${count(rest.length, "more row")}`, () => {
      body.append(...rest.map((row) => line(columns, row)));
      more.remove();
    }, { class: "quiet" });
    parts.push(more);
  }
  if (result.truncated) {
    parts.push(el("p", { class: "note" }, "There are more rows than these."));
  }
  return parts;
}

function head(name: string, found: Row[]): HTMLElement {
  const numeric = typeof found[0]?.[name] === "number";
  return el("th", { scope: "col", class: numeric && "number" }, name);
}

function line(columns: string[], row: Row): HTMLElement {
  return el("tr", {}, ...columns.map((name) => {
    const cell = row[name];
    return el("td", { class: typeof cell === "number" && "number" }, value(cell));
  }));
}
