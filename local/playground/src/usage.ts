// What the chat used of the models: a month's figures by one group, the providers' bills beside them, and the ceilings.
import type { Api } from "./api";
import { button, el } from "./dom";
import { save } from "./files";
import { count, figure, money } from "./format";
import type { Billed, Ceiling, Usage, UsageFigures, UsageGroup } from "./contract";

const GROUPS: Record<UsageGroup, string> = {
  model: "Model",
  user: "Person",
  agent: "Agent",
  day: "Day",
  channel: "Channel",
};
const MONTHS = 12;
const COLUMNS: [keyof UsageFigures, string][] = [
  ["turns", "Turns"],
  ["input_tokens", "Input tokens"],
  ["output_tokens", "Output tokens"],
  ["estimated_cost_usd", "Estimated USD"],
];

/** Show the usage of an organisation in a dialog, until it is closed. */
export function showUsage(api: Api): void {
  const months = el("select", { id: "usage-month" }, ...lastMonths().map((each) => el("option", {}, each)));
  const groups = el("select", { id: "usage-by" }, ...Object.entries(GROUPS).map(([value, name]) => el("option", { value }, name)));
  const place = el("div", { class: "usage", "aria-live": "polite" });
  const asked = () => void refresh(api, months.value, groups.value as UsageGroup, place);
  const dialog = el(
    "dialog",
    { "aria-labelledby": "usage-title", class: "wide" },
    el("h2", { id: "usage-title" }, `Usage of ${api.organization.name}`),
    el(
      "div",
      { class: "row" },
      el("label", { for: "usage-month" }, "Month (UTC)"),
      months,
      el("label", { for: "usage-by" }, "By"),
      groups,
    ),
    place,
    el(
      "div",
      { class: "row end" },
      button("Statement (CSV)", () => void saveStatement(api, months.value, place)),
      button("Close", () => dialog.close(), { class: "primary" }),
    ),
  );
  months.addEventListener("change", asked);
  groups.addEventListener("change", asked);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  asked();
}

async function refresh(api: Api, month: string, by: UsageGroup, place: HTMLElement): Promise<void> {
  place.dataset.asked = `${month} ${by}`;
  place.setAttribute("aria-busy", "true");
  const shown = await api.usage(month, by).then(drawn, problem);
  // A later choice has its own answer.
  if (place.dataset.asked === `${month} ${by}`) {
    place.replaceChildren(...shown);
    place.removeAttribute("aria-busy");
  }
}

async function saveStatement(api: Api, month: string, place: HTMLElement): Promise<void> {
  try {
    save(`usage-${api.organization.slug}-${month}.csv`, await api.statement(month));
  } catch (failure) {
    place.replaceChildren(...problem(failure));
  }
}

function problem(failure: unknown): Node[] {
  return [el("p", { class: "problem", role: "alert" }, (failure as Error).message)];
}

function drawn(usage: Usage): Node[] {
  const whose = usage.scope === "organization" ? "The organisation's figures." : "Your own figures.";
  const { estimated_tokens: estimated, unpriced_tokens: unpriced } = usage.totals;
  return [
    ...usage.ceilings.map(meter),
    usage.rows.length ? table(usage) : el("p", { class: "note" }, "Nothing was used in this month."),
    ...(usage.bill ?? []).map(beside),
    el(
      "p",
      { class: "note" },
      `${whose} What was used in the last minute may be missing.`,
      usage.truncated && ` Only the first ${usage.rows.length} rows are shown; the sum is of all.`,
      estimated > 0 && ` ${count(estimated, "token")} estimated: the provider did not tell them.`,
      unpriced > 0 && ` ${count(unpriced, "token")} of models without a known price: their cost is not in the sum.`,
    ),
  ];
}

function table(usage: Usage): HTMLElement {
  const heads = [GROUPS[usage.by], ...COLUMNS.map(([, title]) => title)];
  const line = (name: string, figures: UsageFigures) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, name),
      ...COLUMNS.map(([column]) => el("td", { class: "number" }, shown(column, figures[column]))),
    );
  const body = el("tbody", {}, ...usage.rows.map((row) => line(named(usage.by, row), row)), line("All", usage.totals));
  const head = el("thead", {}, el("tr", {}, ...heads.map((title, index) => el("th", { scope: "col", class: index > 0 && "number" }, title))));
  return el("div", { class: "table", tabindex: 0, role: "region", "aria-label": "Usage" }, el("table", {}, head, body));
}

function named(by: UsageGroup, row: Usage["rows"][number]): string {
  const names = { model: row.model_id, user: row.user_id, agent: row.agent_name, day: row.day, channel: row.channel };
  return names[by] ?? "No model (tools over MCP)";
}

function shown(column: keyof UsageFigures, amount: number | null): string {
  if (amount === null) {
    return "–";
  }
  return column === "estimated_cost_usd" ? money(amount, "USD") : figure(amount);
}

function beside(each: Billed): HTMLElement {
  const estimate = each.estimated_cost_usd === null ? "not known" : `${money(each.estimated_cost_usd, "USD")} USD`;
  const bill = `${money(each.billed_cost, each.currency)} ${each.currency}`;
  return el("p", {}, `${each.provider}: estimated here ${estimate}, billed by the provider ${bill} until ${each.last_day}.`);
}

function meter(each: Ceiling): HTMLElement {
  const whose = each.whose === "organization" ? "Organisation" : "You";
  const unit = each.of === "tokens_per_day" ? "tokens today" : "USD this month";
  const text = `${whose}: ${figure(each.used)} of ${figure(each.limit)} ${unit} (${each.percent} %)`;
  return el("label", { class: "ceiling" }, text, el("meter", { min: 0, max: 100, high: 80, value: Math.min(100, each.percent) }));
}

/** The months that can be chosen, this one first. */
function lastMonths(): string[] {
  const now = new Date();
  return Array.from({ length: MONTHS }, (_, back) =>
    new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, 1)).toISOString().slice(0, 7),
  );
}
