// The alerts that fired: the figure beside its threshold, the SQL behind it, and who has seen it.
import type { Api } from "../api";
import { el } from "../dom";
import { count } from "../format";
import type { AlertRule, FiredAlert, ToolResult } from "../contract";
import { SUBJECTS, moment, overOf, withUnit } from "./words";
import type { Panel } from "./view";

const MOST = 100;
const PERIODS = [7, 30, 90, 365];
const STATES: Record<string, string> = {
  PENDING: "a message is on its way",
  SENT: "a message was sent",
  FAILED: "no message could be sent",
  SUPPRESSED: "muted",
  HELD: "held back, counted in a message that sums up",
  RECORDED: "recorded, nobody is sent a message",
};

export class History implements Panel {
  readonly #subject = el("select", { id: "history-subject" }, ...Object.entries(SUBJECTS).map(([value, name]) => el("option", { value }, name)), el("option", { value: "" }, "All"));
  readonly #of = el("select", { id: "history-rule" });
  readonly #days = el("select", { id: "history-days" }, ...PERIODS.map((each) => el("option", { value: each, selected: each === 30 }, `Last ${each} days`)));
  readonly #said = el("p", { class: "note", role: "status" }, "Loading …");
  readonly #list = el("ul", { class: "cards", "aria-label": "Alerts that fired" });
  readonly element: HTMLElement;
  #choice = 0;
  /** Alerts of one rule only. */
  rule: AlertRule | null = null;

  constructor(
    readonly api: Api,
    readonly mayWrite: boolean,
    private alertId: string,
  ) {
    for (const each of [this.#subject, this.#of, this.#days]) {
      each.addEventListener("change", () => {
        this.rule = null;
        this.alertId = "";
        void this.#refresh();
      });
    }
    const label = (id: string, text: string, choice: HTMLElement) => el("span", { class: "row" }, el("label", { for: id }, text), choice);
    this.element = el(
      "section",
      { class: "usage", "aria-label": "History" },
      el("div", { class: "row choose" }, label("history-subject", "Subject", this.#subject), label("history-rule", "Rule", this.#of), label("history-days", "Period", this.#days)),
      this.#said,
      this.#list,
    );
  }

  async show(): Promise<void> {
    this.#of.replaceChildren(el("option", { value: "" }, "All rules"));
    if (this.rule) {
      this.#of.append(el("option", { value: this.rule.rule_id, selected: true }, this.rule.name));
      this.#subject.value = this.rule.rule_category;
      this.#days.value = "90";
    }
    await this.#refresh();
  }

  async #refresh(said = ""): Promise<void> {
    const since = new Date(Date.now() - (Number(this.#days.value) - 1) * 86_400_000).toISOString().slice(0, 10);
    const asked = this.alertId
      ? { alert_history_id: this.alertId }
      : { start_date: since, ...(this.#subject.value && { category: this.#subject.value }), ...(this.#of.value && { rule: this.#of.value }) };
    this.#list.setAttribute("aria-busy", "true");
    const choice = ++this.#choice;
    const drawn = await this.api.tool("alert_history", { ...asked, limit: MOST }).then(
      (result) => () => this.#draw(result, said),
      (failure: Error) => () => {
        this.#said.textContent = failure.message;
      },
    );
    // A later choice has its own answer.
    if (choice === this.#choice) {
      drawn();
      this.#list.removeAttribute("aria-busy");
    }
  }

  #draw(result: ToolResult, said: string): void {
    const alerts = (result.rows ?? []) as unknown as FiredAlert[];
    const total = Number(result.summary?.["total"] ?? 0);
    const counted = (result.summary?.["by_rule"] ?? []) as { rule_name: string; alerts: number }[];
    this.#rules(alerts);
    const one = this.alertId && alerts.length ? "This is the alert that was linked to." : "";
    const by = counted.slice(0, 5).map((each) => `${each.rule_name} ${each.alerts}`).join(", ");
    const which = total > alerts.length ? ` The newest ${alerts.length} are shown.` : "";
    this.#said.textContent = `${said} ${one || (total ? `${count(total, "alert")}: ${by}.${which}` : this.alertId ? "This alert is not among the organisation's." : "No alert fired in this period.")}`.trim();
    this.#list.replaceChildren(...alerts.map((each) => this.#card(each)));
  }

  /** The rules that can be chosen: those of the alerts that are there, besides the one that is chosen. */
  #rules(alerts: FiredAlert[]): void {
    const known = new Set([...this.#of.options].map((each) => each.value));
    for (const each of alerts) {
      if (!known.has(each.rule_id)) {
        known.add(each.rule_id);
        this.#of.append(el("option", { value: each.rule_id }, each.rule_name ?? each.rule_id));
      }
    }
  }

  #card(alert: FiredAlert): HTMLElement {
    const title = alert.rule_name ?? "a rule that is gone";
    return el(
      "li",
      { "data-alert": alert.alert_history_id },
      el("div", { class: "row" }, el("strong", { class: "name" }, title), el("span", { class: `badge ${alert.severity}` }, alert.severity), el("span", { class: "note" }, moment(alert.created_at))),
      el("p", {}, el("span", { class: "figure" }, withUnit(alert.value, alert.unit)), alert.threshold !== null && ` · threshold ${withUnit(alert.threshold, alert.unit)}`, alert.window_key && ` · ${alert.window_key}`),
      el("p", { class: "note" }, `${STATES[alert.status] ?? "seen"} · ${overOf(alert)}`),
      alert.acknowledged_by !== null && el("p", {}, `Acknowledged by ${alert.acknowledged_by}${alert.acknowledged_note ? `: “${alert.acknowledged_note}”` : ""}`),
      ...queries(alert.condition_results),
      this.mayWrite && alert.status !== "ACKNOWLEDGED" && this.#acknowledging(alert, title),
    );
  }

  #acknowledging(alert: FiredAlert, title: string): HTMLElement {
    const note = el("input", { type: "text", maxlength: 1000, "aria-label": `Note on ${title}`, placeholder: "A note, if you like" });
    const form = el("form", { class: "row note-form" }, note, el("button", { type: "submit", "aria-label": `Acknowledge ${title}` }, "Acknowledge"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#acknowledge(alert, note.value.trim());
    });
    return form;
  }

  async #acknowledge(alert: FiredAlert, note: string): Promise<void> {
    try {
      const { summary = {} } = await this.api.change("acknowledge_alert", { alert_history_id: alert.alert_history_id, ...(note && { note }) });
      await this.#refresh(String(summary["note"] ?? "Acknowledged."));
    } catch (failure) {
      this.#said.textContent = (failure as Error).message;
    }
  }
}

/** The SQL of each condition, with the values that it bound. */
function queries(conditions: string | null): Node[] {
  let found: { sql?: string; parameters?: Record<string, unknown> }[];
  try {
    found = JSON.parse(conditions ?? "[]") as typeof found;
  } catch {
    return [];
  }
  return found
    .filter((each) => each.sql)
    .map((each) =>
      el(
        "details",
        {},
        el("summary", {}, "SQL"),
        el("pre", { class: "sql", tabindex: 0, "aria-label": "SQL" }, each.sql),
        el("pre", { tabindex: 0, "aria-label": "Values" }, JSON.stringify(each.parameters ?? {}, null, 1)),
      ),
    );
}
