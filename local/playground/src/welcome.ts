// What an empty conversation shows: where one is, and questions to begin with.
import { tools } from "./api";
import { el } from "./dom";
import type { Organization, Tool } from "./contract";

const QUESTIONS: [string, string][] = [
  ["Where it goes", "What did we spend per provider last month?"],
  ["Over time", "Show daily spend for the last 30 days"],
  ["What changed", "What were the top cost drivers over the last 14 days?"],
  ["What comes", "Forecast our spend for the next 30 days"],
  ["GenAI", "Which models cost the most last month?"],
  ["Alerts", "Alert me when AWS costs exceed 500 USD a day"],
];

export function welcome(organization: Organization, ask: (question: string) => void): HTMLElement {
  return el(
    "section",
    { class: "welcome", "aria-label": "Suggested questions" },
    el("h2", {}, `What would you like to know about ${organization.name}'s costs?`),
    el("p", { class: "lead" }, "Answers come from its own billing data, with the SQL behind every figure."),
    el(
      "ul",
      { class: "suggestions" },
      ...QUESTIONS.map(([kind, question]) => {
        const card = el("button", { type: "button" }, el("span", { class: "kind" }, kind), el("span", {}, question));
        card.addEventListener("click", () => ask(question));
        return el("li", {}, card);
      }),
    ),
    toolList(),
  );
}

/** The tools behind the answers, listed when somebody wants to see them. */
function toolList(): HTMLElement {
  const list = el("dl", {}, "…");
  const details = el("details", { class: "tools" }, el("summary", {}, "What can be looked up"), list);
  details.addEventListener("toggle", () => {
    if (details.open) void show(list);
  });
  return details;
}

async function show(list: HTMLElement): Promise<void> {
  try {
    list.replaceChildren(...(await tools()).flatMap((tool) => [el("dt", {}, tool.title), el("dd", {}, firstSentence(tool))]));
  } catch (error) {
    list.replaceChildren(error instanceof Error ? error.message : String(error));
  }
}

function firstSentence(tool: Tool): string {
  return tool.description.split(/(?<=\.)\s/, 1)[0] ?? "";
}
