// What the columns of a result hold: amounts of a currency, other figures, or words.
import { figure, money, value } from "./format";
import type { Row, ToolResult } from "./contract";

type Kind = "money" | "percent" | "number" | "plain" | "text";

export interface Column {
  name: string;
  kind: Kind;
}

const NUMERIC = /^(INTEGER|INT64|FLOAT|FLOAT64|NUMERIC|BIGNUMERIC)$/;
const PERCENT = /(^|_)(pct|percent|percentage)(_|$)/i;
const MONEY =
  /cost|spen[dt]|amount|price|charge|budget|saving|credit|refund|impact|balance|revenue|^total$|_total$|projected|forecast|actual|expected|baseline|remaining|variance|change$|^(lower|upper)$|per_million|threshold|daily/i;
const COUNTED = /token|request|count|items|calls|days?$|runs|rows|units|quantity|hours|seats|limit|used$/i;
const NAMES = /(^|_)(year|id|number|port|version|zip|account)$/i;
const CURRENCY = /^(currency|billing_?currency|currency_?code|pricing_?currency)$/i;

/** The columns of a result, in its order. */
export function columnsOf(result: ToolResult): Column[] {
  const found = result.rows ?? [];
  const moneyed = currencyOf(result, found[0] ?? {}) !== "";
  return (result.columns ?? []).map(({ name, type }) => ({ name, kind: kindOf(name, type, found, moneyed) }));
}

function kindOf(name: string, type: string, found: Row[], moneyed: boolean): Kind {
  const cells = found.map((row) => row[name]).filter((cell) => cell !== null && cell !== undefined);
  const numeric = cells.length ? cells.every((cell) => typeof cell === "number") : NUMERIC.test(type);
  if (!numeric) {
    return "text";
  }
  if (NAMES.test(name)) {
    return "plain";
  }
  if (PERCENT.test(name)) {
    return "percent";
  }
  return moneyed && MONEY.test(name) && !COUNTED.test(name) ? "money" : "number";
}

/** The currency of a row, as the row or the result says it; empty where neither does. */
export function currencyOf(result: ToolResult, row: Row): string {
  const name = (result.columns ?? []).find((each) => CURRENCY.test(each.name))?.name;
  const said = name === undefined ? result.summary?.["currency"] : row[name];
  return typeof said === "string" ? said : "";
}

/** Rows by currency, each in its order; the currency of the first row comes first. */
export function byCurrency(result: ToolResult): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of result.rows ?? []) {
    const currency = currencyOf(result, row);
    groups.set(currency, [...(groups.get(currency) ?? []), row]);
  }
  return groups;
}

/** A cell as it is read. */
export function shown(column: Column, cell: unknown, currency: string): string {
  if (typeof cell !== "number") {
    return value(cell);
  }
  switch (column.kind) {
    case "money":
      return money(cell, currency);
    case "percent":
      return `${figure(cell)} %`;
    case "plain":
      return String(cell);
    default:
      return figure(cell);
  }
}

/** A column's name in words, with the currency that all of its amounts have. */
export function heading(column: Column, currency: string): string {
  const words = column.name.replaceAll("_", " ");
  return column.kind === "money" && currency ? `${words} (${currency})` : words;
}
