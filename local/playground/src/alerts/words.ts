// Rules and alerts in words: figures with their units, schedules and states.
import { ago, figure, money } from "../format";
import type { AlertRule, Destination, FiredAlert } from "../contract";

export const SUBJECTS: Record<string, string> = {
  cost: "Spend",
  pipeline: "Pipelines",
  integration: "Integrations",
  subscription: "Subscriptions",
  system: "System",
};

/** An amount with its unit: a currency, percent or another word. */
export function withUnit(amount: number | null, unit: string | null): string {
  if (amount === null) {
    return "–";
  }
  if (unit === null) {
    return figure(amount);
  }
  if (unit === "percent") {
    return `${figure(amount)} %`;
  }
  return /^[A-Z]{3}$/.test(unit) ? `${money(amount, unit)} ${unit}` : `${figure(amount)} ${unit}`;
}

/** The threshold of a rule with its unit; a rule without a figure of its own has none. */
export function thresholdOf(rule: AlertRule): string {
  if (rule.threshold !== null) {
    return withUnit(rule.threshold, rule.currency);
  }
  return rule.percent === null ? "no figure of its own" : withUnit(rule.percent, "percent");
}

export function stateOf(rule: AlertRule): string {
  const muted = rule.muted_until === null ? "" : rule.muted_until === "forever" ? ", muted" : `, muted until ${moment(rule.muted_until)}`;
  const words = { active: "on", paused: `silent (${rule.paused_by ?? "now"})`, disabled: "paused" };
  return words[rule.status] + muted;
}

export function scheduleOf(rule: AlertRule): string {
  const length = { daily: "day", weekly: "week", monthly: "month", quarterly: "quarter" }[rule.period ?? ""];
  const once = length ? `fires once a ${length} (UTC)` : "fires once until it is over";
  return rule.quiet_hours === null ? once : `${once}; quiet ${rule.quiet_hours}`;
}

/** Whom a rule tells: those it names that are there, or else all. */
export function toldBy(rule: AlertRule, destinations: Destination[]): string {
  const named = destinations.filter((each) => rule.notify_channel_ids.includes(each.destination_id));
  const told = (named.length ? named : destinations).filter((each) => each.active).map((each) => each.name);
  return told.length ? `tells ${told.join(", ")}` : "tells nobody";
}

export function scopeOf(rule: AlertRule): string {
  const filters = conditionsOf(rule)["filters"];
  const told = [...rule.provider_filter, rule.hierarchy_entity_id, ...(Array.isArray(filters) ? filters.map(filterSaid) : [])];
  return told.filter(Boolean).join(", ") || "all costs";
}

export function conditionsOf(rule: AlertRule): Record<string, unknown> {
  try {
    return JSON.parse(rule.conditions) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function filterSaid(filter: { dimension: string; op?: string; values?: unknown[] }): string {
  return `${filter.dimension} ${filter.op ?? "in"} ${(filter.values ?? []).join(", ")}`;
}

/** What an alert said, and whether it is over. */
export function overOf(alert: FiredAlert): string {
  return alert.resolved_at === null ? "not over yet" : `over since ${moment(alert.resolved_at)}`;
}

export function moment(time: string): string {
  return `${time.slice(0, 16).replace("T", " ")} UTC`;
}

export function lastOf(rule: AlertRule): string {
  return rule.last_triggered_at === null ? "never fired" : `last fired ${moment(rule.last_triggered_at)} (${ago(rule.last_triggered_at)})`;
}
