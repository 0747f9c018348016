// Chips above an answer: its period, comparison, division and filters; each asks again with that change.
import { button, el } from "./dom";
import { comparison, daysShown, inDays, words, wording, type Subject } from "./wording";
import type { ToolResult } from "./contract";

type Ask = (question: string) => void;

const PERIODS = [
  "in the last 7 days", "in the last 30 days", "this month", "last month", "this quarter", "last quarter", "this year", "last year",
];
const DIVISIONS = ["provider", "service", "service category", "team", "region", "model", "day", "week", "month"];
const FILTERS = ["provider", "service_category", "cost_type"];
const MOST_VALUES = 12;

/** The chips of a call that has days; none for another. */
export function chips(subject: Subject, result: ToolResult, ask: Ask): HTMLElement {
  const about = (change: Partial<Subject>) => ask(wording({ ...subject, ...change }));
  const costs = subject.about === "What did we spend";
  return el(
    "div",
    { class: "chips", role: "group", "aria-label": "Change the question" },
    period(subject, about),
    costs && menu("Compare with", "Compare with", [
      ["the period before", () => ask(comparison(subject, "before"))],
      ["the same days a year earlier", () => ask(comparison(subject, "year"))],
    ]),
    costs && menu(subject.by ? `By ${subject.by}` : "Divide by", "Divide by", DIVISIONS.filter((each) => each !== subject.by).map((each) => [each, () => about({ by: each })])),
    ...subject.filters.map(([name, each], index) =>
      button(`${name}: ${each} ×`, () => about({ filters: subject.filters.filter((_, at) => at !== index) }), {
        class: "chip",
        "aria-label": `Remove filter ${name} ${each}`,
      }),
    ),
    costs && filtering(subject, result, about),
  );
}

function period(subject: Subject, about: (change: Partial<Subject>) => void): HTMLElement {
  const [start, end] = [date("First day", subject.start), date("Last day", subject.end)];
  const form = el(
    "form",
    { class: "dates" },
    el("label", {}, "From", start),
    el("label", {}, "to", end),
    el("button", { type: "submit" }, "Ask"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    end.setCustomValidity(end.value < start.value ? "The last day is before the first." : "");
    if (form.reportValidity()) {
      about({ period: inDays(start.value, end.value) });
    }
  });
  form.addEventListener("input", () => end.setCustomValidity(""));
  return menu(daysShown(subject.start, subject.end), "Period", PERIODS.map((each) => [each.replace("in the ", ""), () => about({ period: each })]), form);
}

function date(label: string, value: string): HTMLInputElement {
  return el("input", { type: "date", value, required: true, "aria-label": label });
}

/** Narrow to a value of the first column. */
function filtering(subject: Subject, result: ToolResult, about: (change: Partial<Subject>) => void): HTMLElement | null {
  const name = result.columns?.[0]?.name ?? "";
  const values = [...new Set((result.rows ?? []).map((row) => row[name]))]
    .filter((each): each is string => typeof each === "string" && each !== "" && !each.startsWith("("))
    .slice(0, MOST_VALUES);
  if (!FILTERS.includes(name) || values.length < 2) {
    return null;
  }
  const by = words(name) === subject.by ? "service" : subject.by;
  return menu(`Only one ${words(name)}`, "Filter", values.map((each) => [each, () => about({ by, filters: [...subject.filters, [words(name), each]] })]));
}

/** A chip that opens a list of what it could be. */
function menu(label: string, name: string, choices: [string, () => void][], more?: HTMLElement): HTMLElement {
  const list = el(
    "div",
    { class: "choices" },
    ...choices.map(([said, choose]) =>
      button(said, () => {
        chip.open = false;
        choose();
      }),
    ),
    more,
  );
  const chip = el("details", { class: "chip-menu" }, el("summary", { class: "chip", "aria-label": `${name}: ${label}` }, label), list);
  chip.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && chip.open) {
      event.stopPropagation();
      chip.open = false;
      chip.querySelector("summary")?.focus();
    }
  });
  chip.addEventListener("focusout", (event) => {
    if (event.relatedTarget instanceof Node && !chip.contains(event.relatedTarget)) {
      chip.open = false;
    }
  });
  return chip;
}

/** Questions that follow from an answer, at most three. */
export function followUps(subject: Subject, result: ToolResult): string[] {
  if (subject.about !== "What did we spend") {
    return [];
  }
  const top = result.rows?.[0]?.["provider"];
  const narrowed = subject.filters.some(([name]) => name === "provider");
  const drill =
    typeof top === "string" && subject.by === "provider" && !narrowed
      ? wording({ ...subject, by: "service", filters: [...subject.filters, ["provider", top]] })
      : wording({ ...subject, by: subject.by === "provider" ? "service" : "provider" });
  const overTime = ["day", "week", "month"].includes(subject.by) ? "" : wording({ ...subject, by: "day" });
  return [drill, overTime, comparison(subject, "before")].filter(Boolean);
}
