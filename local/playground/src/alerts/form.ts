// An alert rule to be made or changed: first it is tried on the days before, then it is stored.
import type { Api } from "../api";
import { button, el } from "../dom";
import type { AlertRule, Destination, Row, ToolResult } from "../contract";
import { attempt, choice, destinationChoice, field, read } from "./fields";
import { conditionsOf, withUnit } from "./words";

const KINDS: [string, string, string][] = [
  ["amount", "absolute_threshold", "The cost passes an amount"],
  ["percent_change", "anomaly_percent_change", "The cost rises by percent"],
  ["budget", "budget_percent", "Part of a budget is spent"],
  ["budget_forecast", "budget_forecast", "A budget's projection reaches percent"],
  ["anomaly", "anomaly", "A day is unusually high"],
  ["data_stopped", "data_stopped", "Cost data stopped arriving"],
];
const WITH_PERCENT = ["percent_change", "budget", "budget_forecast"];
const WITH_PERIOD = ["amount", "percent_change"];
const PREVIEWED = ["kind", "threshold", "currency", "percent", "provider", "hierarchy_entity", "period", "filters"];
const CHANGEABLE = ["name", "threshold", "currency", "percent", "period", "severity", "destinations"];
const MOST_DAYS = 10;

/** The form; ``done`` is told what was stored, or nothing where it was left. */
export function ruleForm(api: Api, rule: AlertRule | null, known: Destination[], done: (said: string) => void): HTMLElement {
  const preview = el("div", { class: "preview", "aria-live": "polite" });
  const form = el("form", { class: "rule", "aria-label": rule ? `Edit ${rule.name}` : "New alert" }, ...fields(rule), destinationChoice(known, rule?.notify_channel_ids));
  const store = button(rule ? "Save" : "Create alert", () => void attempt(preview, async () => done(await stored(api, rule, read(form)))), {
    class: "primary",
    hidden: true,
  });
  form.append(
    preview,
    el("div", { class: "row end" }, button("Cancel", () => done("")), el("button", { type: "submit" }, "Preview"), store),
  );
  const kind = form.elements.namedItem("kind") as HTMLSelectElement;
  const changed = () => {
    store.hidden = true;
    preview.replaceChildren();
    form.querySelectorAll<HTMLElement>("[data-for]").forEach((each) => {
      each.hidden = !each.dataset["for"]?.split(" ").includes(kind.value);
    });
  };
  form.addEventListener("input", changed);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(preview, async () => {
      const asked = Object.fromEntries(Object.entries(wanted(rule, read(form))).filter(([name]) => PREVIEWED.includes(name)));
      preview.replaceChildren(...tried(await api.tool("preview_alert", asked)));
      store.hidden = false;
    });
  });
  changed();
  return form;
}

function fields(rule: AlertRule | null): HTMLElement[] {
  const made = rule !== null;
  const kinds = KINDS.filter(([, type]) => !made || type === rule.rule_type);
  return [
    field("Name", { name: "name", required: true, maxlength: 100, value: rule?.name ?? "" }),
    choice("Fires when", "kind", kinds.map(([kind, , words]) => [kind, words]), ""),
    field("Threshold", { name: "threshold", type: "number", min: 0.001, step: "any", value: rule?.threshold ?? "" }, "amount"),
    field("Currency", { name: "currency", maxlength: 3, pattern: "[A-Za-z]{3}", placeholder: "USD", value: rule?.currency ?? "" }, "amount percent_change budget budget_forecast anomaly"),
    field("Percent", { name: "percent", type: "number", min: 0.001, step: "any", value: rule?.percent ?? "" }, WITH_PERCENT.join(" ")),
    choice("Period (UTC)", "period", ["daily", "weekly", "monthly", "quarterly"].map((each) => [each, each]), rule?.period ?? "monthly", WITH_PERIOD.join(" ")),
    choice("Severity", "severity", ["info", "warning", "critical"].map((each) => [each, each]), rule?.severity ?? "warning"),
    ...(made
      ? []
      : [
          field("Provider (all if empty)", { name: "provider", maxlength: 100 }),
          field("Team, project or department (all if empty)", { name: "hierarchy_entity", maxlength: 200 }),
          field("Filter on (such as region or tag:env)", { name: "dimension", maxlength: 140 }),
          field("Filter values, with commas", { name: "values", maxlength: 500 }),
          field("Quiet from", { name: "quiet_hours_start", type: "time" }),
          field("Quiet until", { name: "quiet_hours_end", type: "time" }),
          field("Time zone of the quiet hours", { name: "time_zone", maxlength: 64, placeholder: "Europe/Berlin" }),
        ]),
  ];
}

/** The arguments of the tools: a filter as an entry, a currency in capitals. */
function wanted(rule: AlertRule | null, given: Row): Row {
  const { dimension, values, ...args } = given;
  if (typeof args["currency"] === "string") {
    args["currency"] = args["currency"].toUpperCase();
  }
  if (dimension) {
    args["filters"] = [{ dimension, op: "in", values: String(values ?? "").split(",").map((each) => each.trim()).filter(Boolean) }];
  }
  if (rule === null) {
    const { destinations, ...rest } = args;
    return Array.isArray(destinations) && destinations.length ? args : rest;
  }
  const more = conditionsOf(rule)["filters"];
  const providers = rule.provider_filter.length ? [{ dimension: "provider", op: "in", values: rule.provider_filter }] : [];
  return {
    ...args,
    filters: [...providers, ...(Array.isArray(more) ? more : [])],
    ...(rule.hierarchy_entity_id ? { hierarchy_entity: rule.hierarchy_entity_id } : {}),
  };
}

async function stored(api: Api, rule: AlertRule | null, given: Row): Promise<string> {
  const args = wanted(rule, given);
  if (rule === null) {
    const { summary = {} } = await api.change("create_alert", args);
    return String(summary["equal_rule"] ?? `${args["name"]} is set up. ${summary["note"] ?? `It tells ${[summary["tells"]].flat().join(", ")}.`}`);
  }
  const was: Row = { ...rule, destinations: rule.notify_channel_ids };
  const isSame = (name: string, value: unknown) => JSON.stringify(value) === JSON.stringify(was[name]);
  const changes = Object.entries(args).filter(([name, value]) => CHANGEABLE.includes(name) && !isSame(name, value));
  if (!changes.length) {
    return `${rule.name} stays as it was.`;
  }
  await api.change("update_alert", { rule: rule.rule_id, ...Object.fromEntries(changes) });
  return `${args["name"]} is changed.`;
}

/** How often the rule would have fired, with the days and figures. */
function tried(result: ToolResult): Node[] {
  const summary = result.summary ?? {};
  const rows = (result.rows ?? []) as { day: string; value: number; threshold: number; unit: string }[];
  const days = rows.slice(-MOST_DAYS).map((each) => el("li", {}, `${each.day}: ${withUnit(each.value, each.unit)}, threshold ${withUnit(each.threshold, each.unit)}`));
  return [
    el("p", {}, el("strong", {}, String(summary["said"] ?? ""))),
    el("p", { class: "note" }, String(summary["description"] ?? "")),
    ...(days.length ? [el("ul", {}, ...days)] : []),
    ...(rows.length > MOST_DAYS ? [el("p", { class: "note" }, `The last ${MOST_DAYS} of ${rows.length} are shown.`)] : []),
  ];
}
