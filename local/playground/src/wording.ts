// The question behind a tool call in plain words, so that it can be asked again with one part changed.
import type { Row, ToolResult } from "./contract";

/** What a call answered: the subject in words, what divides it, what it was narrowed to, and its days. */
export interface Subject {
  about: string;
  by: string;
  filters: [string, string][];
  period: string;
  start: string;
  end: string;
}

const SUBJECTS: Record<string, string> = {
  query_costs: "What did we spend",
  cost_breakdown: "What did we spend",
  compare_periods: "What did we spend",
  top_cost_drivers: "What did we spend",
  genai_usage: "How many tokens did we use",
  top_consumers: "Show the top consumers",
};
// Filters whose values say by themselves what they are of.
const SELF_EVIDENT = ["provider", "service category", "cost type"];
const VERB = /^(list|get|find|show|query|detect|describe|read) /;
const DAY = 86_400_000;
const DATE = /^\d{4}-\d\d-\d\d$/;
const MONTHS = new Intl.DateTimeFormat("en", { month: "long", year: "numeric", timeZone: "UTC" });
const DAYS = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

/** Read it from a call; null where it has no days of its own. */
export function subjectOf(name: string, args: Row, result: ToolResult): Subject | null {
  const summary = result.summary ?? {};
  const days = (summary["period"] ?? summary["current"]) as { start_date?: string; end_date?: string } | undefined;
  const [start, end] = [String(days?.start_date ?? "").slice(0, 10), String(days?.end_date ?? "").slice(0, 10)];
  if (!DATE.test(start) || !DATE.test(end)) {
    return null;
  }
  const by = [args["group_by"] ?? args["dimension"] ?? summary["group_by"] ?? summary["dimension"] ?? ""].flat();
  return {
    about: SUBJECTS[name] ?? `Show ${words(name).replace(VERB, "")}`,
    by: by.map((each) => words(String(each))).filter(Boolean).join(" and "),
    filters: filtersOf(summary["filters"]),
    period: inDays(start, end),
    start,
    end,
  };
}

function filtersOf(said: unknown): [string, string][] {
  const filters = said && typeof said === "object" && !Array.isArray(said) ? Object.entries(said) : [];
  return filters
    .filter(([, each]) => each !== null && each !== "")
    .map(([name, each]) => [words(name), Array.isArray(each) ? each.join(" and ") : String(each)]);
}

/** The whole question. */
export function wording({ about, by, filters, period }: Subject): string {
  const narrowed = filters.map(([name, each]) => (SELF_EVIDENT.includes(name) ? `for ${each}` : `for ${name} ${each}`));
  return `${[about, by && `by ${by}`, ...narrowed, period].filter(Boolean).join(" ")}${/^(What|How)/.test(about) ? "?" : ""}`;
}

/** A call's days against others. */
export function comparison(subject: Subject, other: "before" | "year"): string {
  const [start, end] = other === "before" ? before(subject.start, subject.end) : yearBefore(subject.start, subject.end);
  const asked = wording({ ...subject, about: "Compare what we spent", period: subject.period });
  return `${asked} with ${inDays(start, end).replace(/^(in|on|from) /, "")}`;
}

/** Days as a question says them: a whole month by its name. */
export function inDays(start: string, end: string): string {
  if (start === end) {
    return `on ${start}`;
  }
  return isMonth(start, end) ? `in ${MONTHS.format(new Date(start))}` : `from ${start} to ${end}`;
}

/** Days as a chip says them. */
export function daysShown(start: string, end: string): string {
  if (isMonth(start, end)) {
    return MONTHS.format(new Date(start));
  }
  return start === end ? DAYS.format(new Date(start)) : DAYS.formatRange(new Date(start), new Date(end));
}

export function words(name: string): string {
  return name.replaceAll("_", " ").trim();
}

function isMonth(start: string, end: string): boolean {
  return start.endsWith("-01") && start.slice(0, 7) === end.slice(0, 7) && after(end, 1).endsWith("-01");
}

function before(start: string, end: string): [string, string] {
  const last = after(start, -1);
  if (isMonth(start, end)) {
    return [`${last.slice(0, 7)}-01`, last];
  }
  const length = Math.round((Date.parse(end) - Date.parse(start)) / DAY);
  return [after(last, -length), last];
}

function yearBefore(start: string, end: string): [string, string] {
  const earlier = (day: string) => {
    const moved = `${Number(day.slice(0, 4)) - 1}${day.slice(4)}`;
    return moved.endsWith("02-29") ? `${moved.slice(0, 8)}28` : moved;
  };
  // A whole February stays whole, in a leap year too.
  return isMonth(start, end) ? [earlier(start), monthEnd(earlier(start))] : [earlier(start), earlier(end)];
}

function monthEnd(start: string): string {
  const [year = 0, month = 0] = start.split("-").map(Number);
  return new Date(Date.UTC(year, month, 0)).toISOString().slice(0, 10);
}

function after(day: string, days: number): string {
  return new Date(Date.parse(day) + days * DAY).toISOString().slice(0, 10);
}
