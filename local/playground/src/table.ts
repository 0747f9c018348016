// Rows as a table: figures to the right, one currency after the other, a control for more, and a CSV file.
import { byCurrency, columnsOf, currencyOf, heading, shown, type Column } from "./columns";
import { csv } from "./csv";
import { button, el } from "./dom";
import { save } from "./files";
import { count } from "./format";
import type { Row, ToolResult } from "./contract";

const SHOWN_ROWS = 10;

/** The rows of a result, the first of them, with what shows the others and what saves them all. */
export function rowsOf(result: ToolResult, name: string): Node[] {
  const found = result.rows ?? [];
  if (!found.length || !result.columns?.length) {
    return [el("p", { class: "note" }, "No rows.")];
  }
  const table = el("table", {}, ...contents(result, SHOWN_ROWS));
  const box = el("div", { class: "table", tabindex: 0, role: "region", "aria-label": "Rows" }, table);
  const parts: Node[] = [el("div", { class: "work-head" }, el("strong", {}, "Rows"), saving(result, name)), box];
  if (found.length > SHOWN_ROWS) {
    const more = button(`Show ${count(found.length - SHOWN_ROWS, "more row")}`, () => {
      table.replaceChildren(...contents(result, found.length));
      more.remove();
      box.focus();
    }, { class: "quiet" });
    parts.push(more);
  }
  if (result.truncated) {
    parts.push(el("p", { class: "note" }, "There are more rows than these. Ask for a shorter period or one filter."));
  }
  return parts;
}

/** All rows as a table of its own. */
export function wholeTable(result: ToolResult): HTMLTableElement {
  return el("table", {}, ...contents(result, (result.rows ?? []).length));
}

function saving(result: ToolResult, name: string): HTMLElement {
  const columns = (result.columns ?? []).map((column) => column.name);
  const lines = (result.rows ?? []).map((row) => columns.map((column) => row[column]));
  return button("CSV", () => save(`${name}.csv`, csv([columns, ...lines]), "text/csv"), {
    class: "quiet",
    "aria-label": "Save rows as CSV",
  });
}

function contents(result: ToolResult, most: number): HTMLElement[] {
  const columns = columnsOf(result);
  const groups = byCurrency(result);
  const only = groups.size === 1 ? currencyOf(result, result.rows?.[0] ?? {}) : "";
  const head = columns.map((each) =>
    el("th", { scope: "col", class: each.kind !== "text" && "number" }, heading(each, only)),
  );
  const parts: HTMLElement[] = [el("thead", {}, el("tr", {}, ...head))];
  let left = most;
  for (const [currency, rows] of groups) {
    if (left > 0) {
      parts.push(body(columns, rows.slice(0, left), currency, groups.size > 1));
      left -= rows.length;
    }
  }
  return parts;
}

function body(columns: Column[], rows: Row[], currency: string, named: boolean): HTMLElement {
  const lines = rows.map((row) => el("tr", {}, ...columns.map((each) => cell(each, row[each.name], currency))));
  if (!named) {
    return el("tbody", {}, ...lines);
  }
  const title = el("th", { scope: "rowgroup", colspan: columns.length }, currency || "No currency");
  return el("tbody", {}, el("tr", { class: "group" }, title), ...lines);
}

function cell(column: Column, content: unknown, currency: string): HTMLElement {
  return el("td", { class: column.kind !== "text" && "number" }, shown(column, content, currency));
}
