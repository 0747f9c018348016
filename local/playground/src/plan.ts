// A deployment plan as a card below an answer: machines, cost, models, charts and steps; saved as Markdown or values.
import { button, el } from "./dom";
import { save } from "./files";
import { figure } from "./format";
import type { Row, ToolResult } from "./contract";

interface Chart {
  chart: string;
  repository: string;
  version: string | null;
  warning: string | null;
}

interface Budget {
  amount: number;
  currency: string;
  fits: boolean | null;
  left?: number;
  note?: string;
}

interface Cost {
  currency: string;
  list_total: number;
  own_total: number;
  not_priced: string;
  budget?: Budget;
  now?: { amount: number; currency: string; saved: number | null; saved_percent: number | null; note: string };
  converted?: { currency: string; usd_rate: number | null; own_total?: number; note?: string };
}

export interface Plan {
  plan_id: string;
  understanding: string;
  assumptions: string[];
  models: Row[];
  models_note: string | null;
  kubernetes: Chart[];
  steps: string[];
  cost: Cost | null;
  budget_note: { said: string; cheapest: string; would_fit: string[] } | null;
  tradeoffs: string[];
  organization: { discounts: { why: string }[]; unused_commitments: Row[]; budgets?: Row[]; budgets_note?: string | null };
  catalog: { oldest_price: string; catalog_age_days: number };
  warnings: string[];
  values_yaml: string;
}

type Table = { heading: string; columns: string[]; rows: string[][] };

/** The card of a result that has a plan; null for any other result. */
export function planCard(result: ToolResult): HTMLElement | null {
  const plan = planOf(result);
  if (plan === null) {
    return null;
  }
  const machines = result.rows ?? [];
  return el(
    "section",
    { class: "plan", "aria-label": "Deployment plan" },
    el("header", {}, el("strong", {}, plan.understanding), el("code", {}, plan.plan_id)),
    list("Assumptions", plan.assumptions, "ul", true),
    costs(plan),
    ...tables(plan, machines).map(table),
    plan.models_note && el("p", { class: "note" }, plan.models_note),
    plan.organization.budgets_note && el("p", { class: "note" }, plan.organization.budgets_note),
    list("Steps", plan.steps, "ol"),
    list("Trade-offs", plan.tradeoffs),
    list("Warnings", plan.warnings),
    el("footer", {},
      button("Save as Markdown", () => save(`${plan.plan_id}.md`, markdown(plan, machines), "text/markdown"), { class: "quiet" }),
      button("Save values.yaml", () => save("values.yaml", plan.values_yaml, "application/yaml"), { class: "quiet" }),
    ),
  );
}

function planOf(result: ToolResult): Plan | null {
  const plan = result.summary?.["plan"] as Plan | undefined;
  return plan && typeof plan.plan_id === "string" && Array.isArray(plan.steps) ? plan : null;
}

function costs(plan: Plan): HTMLElement {
  const [first, ...others] = costLines(plan);
  return el("div", { class: "plan-cost" }, el("p", {}, el("strong", {}, first ?? "")), ...others.map((each) => el("p", {}, each)));
}

/** What the plan costs, what is not in it, and where it lands beside a budget and what is paid now. */
function costLines({ cost, budget_note: note }: Plan): string[] {
  if (cost === null) {
    return ["No machine fits, so there is no price."];
  }
  const lines = [
    `${money(cost.own_total, cost.currency)} a month at your own prices, ${money(cost.list_total, cost.currency)} at list prices.`,
    `Not in it: ${lower(cost.not_priced)}`,
  ];
  const { budget, now, converted } = cost;
  if (converted) {
    const rate = `at your own rate, ${converted.usd_rate} for a USD.`;
    lines.push(converted.note ?? `That is ${money(converted.own_total ?? 0, converted.currency)} ${rate}`);
  }
  if (budget) {
    const left = `${money(Math.abs(budget.left ?? 0), budget.currency)} ${budget.fits ? "left" : "short"}`;
    lines.push(budget.note ?? `Budget ${money(budget.amount, budget.currency)}: ${left}.`);
  }
  if (now) {
    const saved = now.saved ?? 0;
    const less = `${money(Math.abs(saved), now.currency)} ${saved >= 0 ? "less" : "more"}, ${Math.abs(now.saved_percent ?? 0)} %`;
    lines.push(now.saved === null ? now.note : `Now it costs ${money(now.amount, now.currency)}: the plan is ${less}. ${now.note}`);
  }
  return note ? [...lines, [note.said, `The cheapest is ${note.cheapest}.`, ...note.would_fit].join(" ")] : lines;
}

function tables(plan: Plan, machines: Row[]): Table[] {
  const found: Table[] = [
    {
      heading: "Machines",
      columns: ["Machine", "GPU", "List price a month", "Own price a month", "Price of"],
      rows: machines.map((row) => [
        `${row["provider"]} ${row["instance_type"]} in ${row["region"]}`,
        row["gpu_name"] ? `${figure(Number(row["gpu_count"]))} × ${row["gpu_name"]}, ${figure(Number(row["gpu_memory_total_gib"]))} GiB` : "–",
        money(Number(row["list_monthly"]), String(row["currency"])),
        money(Number(row["own_monthly"]), String(row["currency"])),
        String(row["price_date"]),
      ]),
    },
    {
      heading: "Models",
      columns: ["Model", "Licence", "Memory"],
      rows: plan.models.map((row) => [String(row["model_id"]), String(row["license"] ?? "not known"), `${figure(Number(row["need_gib"]))} GiB`]),
    },
    {
      heading: "Kubernetes",
      columns: ["Chart", "Version", "From"],
      rows: plan.kubernetes.map((each) => [each.chart, each.version ?? "the newest", each.repository]),
    },
    {
      heading: "Budgets with this plan",
      columns: ["Budget", "To", "Amount", "Lands at", "Left", "A whole period"],
      rows: (plan.organization.budgets ?? []).map((row) => [
        `${row["budget"]} (${row["category"]})`,
        String(row["period_end"]),
        money(Number(row["amount"]), String(row["currency"])),
        ...["lands_at", "left"].map((name) => (row[name] === null ? "not compared" : money(Number(row[name]), String(row["currency"])))),
        row["whole_period_fits"] === null ? "not compared" : row["whole_period_fits"] ? "fits" : "no room",
      ]),
    },
  ];
  return found.filter((each) => each.rows.length);
}

function table({ heading, columns, rows }: Table): HTMLElement {
  const head = el("tr", {}, ...columns.map((each) => el("th", { scope: "col" }, each)));
  const body = rows.map((row) => el("tr", {}, ...row.map((each) => el("td", {}, each))));
  const whole = el("table", {}, el("thead", {}, head), el("tbody", {}, ...body));
  return el("div", { class: "table", tabindex: 0, role: "region", "aria-label": heading }, el("strong", {}, heading), whole);
}

function list(heading: string, items: string[], kind: "ol" | "ul" = "ul", open = kind === "ol"): HTMLElement | null {
  const lines = items.map((each) => el("li", {}, each));
  return items.length ? el("details", { open }, el("summary", {}, heading), el(kind, {}, ...lines)) : null;
}

/** The whole plan as Markdown; names of others are text in it. */
export function markdown(plan: Plan, machines: Row[]): string {
  const bullets = (heading: string, items: string[]) => `## ${heading}\n\n${items.map((each) => `- ${literal(each)}`).join("\n")}`;
  const parts = [`# ${literal(plan.understanding)}`, `Plan ${plan.plan_id}, prices of ${plan.catalog.oldest_price} or later.`];
  parts.push(bullets("Assumptions", plan.assumptions), bullets("Cost", costLines(plan)));
  for (const { heading, columns, rows } of tables(plan, machines)) {
    const lines = [columns, columns.map(() => "---"), ...rows.map((row) => row.map(literal))];
    parts.push(`## ${heading}`, lines.map((line) => `| ${line.join(" | ")} |`).join("\n"));
  }
  if (plan.models_note) {
    parts.push(literal(plan.models_note));
  }
  parts.push("## Steps", plan.steps.map((each, index) => `${index + 1}. ${each.startsWith("helm ") ? `\`${each}\`` : literal(each)}`).join("\n"));
  for (const [heading, items] of [["Trade-offs", plan.tradeoffs], ["Warnings", plan.warnings]] as const) {
    if (items.length) {
      parts.push(bullets(heading, items));
    }
  }
  return `${parts.join("\n\n")}\n`;
}

function money(amount: number, currency: string): string {
  return `${currency} ${amount.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}

function literal(text: string): string {
  return text.replace(/\s+/g, " ").replace(/([\\`*_|[\]<>])/g, "\\$1");
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
