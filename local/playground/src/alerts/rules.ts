// The alert rules: what each watches, whether it is on, how often it fired; and what can be done with it.
import type { Api } from "../api";
import { askToDelete } from "../dialogs";
import { button, el } from "../dom";
import { count } from "../format";
import type { AlertRule, Destination } from "../contract";
import { ruleForm } from "./form";
import { SUBJECTS, lastOf, scheduleOf, scopeOf, stateOf, thresholdOf, toldBy } from "./words";
import type { Panel } from "./view";

const MOST = 100;
const DAYS = 60;

export class Rules implements Panel {
  readonly #subject = el("select", { id: "rules-subject" });
  readonly #said = el("p", { class: "note", role: "status" }, "Loading …");
  readonly #list = el("ul", { class: "cards", "aria-label": "Alert rules" });
  readonly #place = el("div", {});
  readonly element: HTMLElement;
  #rules: AlertRule[] = [];
  #counts = new Map<string, number>();
  #total = 0;
  #destinations: Destination[] = [];
  #shown = Promise.resolve();

  constructor(
    readonly api: Api,
    readonly mayWrite: boolean,
    readonly open: (rule: AlertRule) => void,
  ) {
    this.#subject.addEventListener("change", () => this.#draw());
    const make = button("New alert", () => void this.#edit(null), { class: "primary" });
    this.element = el(
      "section",
      { class: "usage", "aria-label": "Rules" },
      el("div", { class: "row choose" }, el("label", { for: "rules-subject" }, "Subject"), this.#subject, mayWrite && make),
      this.#place,
      this.#said,
      this.#list,
    );
  }

  /** Read the rules anew; ``said`` is the sentence about what was done. */
  show(said = ""): Promise<void> {
    this.#shown = this.#read(said);
    return this.#shown;
  }

  async #read(said: string): Promise<void> {
    const since = new Date(Date.now() - (DAYS - 1) * 86_400_000).toISOString().slice(0, 10);
    try {
      const [destinations, listed, raised] = await Promise.all([
        this.api.destinations(),
        this.api.tool("list_alerts", { limit: MOST }),
        this.api.tool("alert_history", { start_date: since, limit: 1 }),
      ]);
      this.#destinations = destinations;
      this.#rules = (listed.rows ?? []) as unknown as AlertRule[];
      this.#total = Number(listed.summary?.["total"] ?? 0);
      const counted = (raised.summary?.["by_rule"] ?? []) as { rule_name: string; alerts: number }[];
      this.#counts = new Map(counted.map((each) => [each.rule_name, each.alerts]));
      this.#choices();
      this.#draw(said);
    } catch (failure) {
      this.#said.textContent = (failure as Error).message;
    }
  }

  /** The subjects, each with how many rules there are of it: spend is the first and the one that is shown. */
  #choices(): void {
    const chosen = this.#subject.value || "cost";
    const of = (subject: string) => this.#rules.filter((each) => each.rule_category === subject).length;
    const options = Object.entries(SUBJECTS)
      .filter(([subject]) => subject === "cost" || of(subject) > 0)
      .map(([subject, name]) => el("option", { value: subject }, `${name} (${of(subject)})`));
    this.#subject.replaceChildren(...options, el("option", { value: "" }, `All (${this.#rules.length})`));
    this.#subject.value = chosen;
  }

  #draw(said = ""): void {
    const subject = this.#subject.value;
    const shown = this.#rules.filter((each) => !subject || each.rule_category === subject);
    const more = this.#total > this.#rules.length ? ` Only the newest ${MOST} of ${this.#total} rules are here.` : "";
    this.#said.textContent = `${said} ${shown.length ? "" : "There is no rule here yet."}${more}`.trim();
    this.#list.replaceChildren(...shown.map((each) => this.#card(each)));
  }

  #card(rule: AlertRule): HTMLElement {
    const fired = this.#counts.get(rule.name) ?? 0;
    const muted = rule.muted_until !== null;
    const paused = rule.status === "disabled";
    const act = (action: string, label: string) =>
      button(label, () => void this.#manage(rule, action), { class: "quiet", "aria-label": `${label} ${rule.name}` });
    return el(
      "li",
      { "data-rule": rule.rule_id },
      el("div", { class: "row" }, el("strong", { class: "name" }, rule.name), el("span", { class: `badge ${rule.severity}` }, rule.severity), el("span", { class: "badge" }, stateOf(rule))),
      el("p", {}, el("span", { class: "figure" }, thresholdOf(rule)), ` · ${scopeOf(rule)}`),
      el("p", { class: "note" }, `${rule.fires_when} It ${scheduleOf(rule)}, and ${toldBy(rule, this.#destinations)}.`),
      rule.problem && el("p", { class: "problem" }, `It never fires. ${rule.problem}`),
      el(
        "div",
        { class: "row" },
        el("span", { class: "note" }, `${lastOf(rule)} · `),
        button(`${count(fired, "alert")} in ${DAYS} days`, () => this.open(rule), { class: "quiet", "aria-label": `History of ${rule.name}: ${count(fired, "alert")} in ${DAYS} days` }),
      ),
      this.mayWrite &&
        el(
          "div",
          { class: "row" },
          button("Edit", () => void this.#edit(rule), { class: "quiet", "aria-label": `Edit ${rule.name}` }),
          paused ? act("resume", "Resume") : act("pause", "Pause"),
          muted ? act("unmute", "Unmute") : act("mute", "Mute"),
          button("Delete", () => void this.#delete(rule), { class: "quiet", "aria-label": `Delete ${rule.name}` }),
        ),
    );
  }

  async #edit(rule: AlertRule | null): Promise<void> {
    // The form offers the destinations, which may still be on their way.
    await this.#shown;
    const form = ruleForm(this.api, rule, this.#destinations, (said) => {
      form.remove();
      if (said) {
        void this.show(said);
      }
    });
    this.#place.replaceChildren(form);
    form.querySelector("input")?.focus();
  }

  async #delete(rule: AlertRule): Promise<void> {
    if (await askToDelete(rule.name, "alert rule")) {
      await this.#manage(rule, "delete");
    }
  }

  async #manage(rule: AlertRule, action: string): Promise<void> {
    const done: Record<string, string> = { pause: "is paused", resume: "is on", mute: "is muted: it is recorded, and nobody is sent a message", unmute: "sends messages again", delete: "is deleted; its history stays" };
    try {
      await this.api.change("manage_alert", { action, rule: rule.rule_id });
      await this.show(`${rule.name} ${done[action] ?? "is changed"}.`);
    } catch (failure) {
      this.#said.textContent = (failure as Error).message;
    }
  }
}
