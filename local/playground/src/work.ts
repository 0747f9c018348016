// The work behind an answer: one fold per tool call, with what was asked, the SQL, the rows and what it took.
import { Chart } from "./chart";
import { button, el } from "./dom";
import { bytes, count, seconds, value } from "./format";
import { rowsOf, wholeTable } from "./table";
import { daysShown, subjectOf, type Subject } from "./wording";
import type { ChartSpec, Row, ToolResult } from "./contract";

export class Work {
  readonly #summary = el("summary", {});
  readonly #body = el("div", { class: "work-body" });
  readonly element: HTMLElement;
  readonly charts = el("div", { class: "charts" });
  #chart: Chart | null = null;
  result: ToolResult = {};
  /** When its chart, if it has one, can be seen. */
  drawn: Promise<void> = Promise.resolve();

  constructor(
    readonly name: string,
    readonly args: string,
  ) {
    this.element = el("details", { class: "work" }, this.#summary, this.#body);
    this.#say("running", "running …");
    this.#body.append(asked(args));
  }

  /** What it answered in words; null where it has no days or did not work. */
  get subject(): Subject | null {
    return this.result.error ? null : subjectOf(this.name, chosen(this.args), this.result);
  }

  finish(result: ToolResult): void {
    this.result = result;
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
      this.drawn = this.#chart.draw();
    }
  }

  /** Everything it rests on, without controls: period and filters, rows, SQL. */
  printed(): Node[] {
    const { result, subject } = this;
    if (result.error) {
      return [el("p", {}, result.error.message)];
    }
    const queried = result.sql ? sql(result.sql, result.parameters ?? {}).filter((each) => each.nodeName === "PRE") : [];
    return [
      subject && el("p", {}, `Period: ${daysShown(subject.start, subject.end)} (${subject.start} to ${subject.end}, UTC)`),
      asked(this.args),
      el("p", {}, facts(result)),
      result.rows?.length ? el("div", { class: "wide" }, wholeTable(result)) : null,
      ...queried,
    ].filter((each): each is HTMLElement => each !== null);
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
  // Another agent has answered in words: it has no rows.
  const rows = result.row_count === undefined ? "" : count(result.row_count, "row");
  return [rows, read, took].filter(Boolean).join(" · ");
}

/** The arguments of a call; what is no object, which a model may write too, has none. */
function chosen(args: string): Row {
  try {
    const read: unknown = JSON.parse(args || "{}");
    return read !== null && typeof read === "object" && !Array.isArray(read) ? (read as Row) : {};
  } catch {
    return {};
  }
}

/** Period and filters: the arguments the model chose. */
function asked(args: string): HTMLElement {
  const given = Object.entries(chosen(args));
  const list = el("dl", {});
  for (const [name, each] of given) {
    list.append(el("dt", {}, name.replaceAll("_", " ")), el("dd", {}, value(each)));
  }
  return given.length ? list : el("p", { class: "note" }, "Asked without period or filter.");
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
