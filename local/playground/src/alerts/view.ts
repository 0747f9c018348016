// Alerts: the rules, what they raised, where messages go, and summaries; each in a tab of one dialog.
import type { Api } from "../api";
import { button, el } from "../dom";
import type { Caller } from "../contract";
import { Destinations } from "./destinations";
import { Digests } from "./digests";
import { History } from "./history";
import { Rules } from "./rules";

export type Tab = "rules" | "history" | "destinations" | "digests";

/** A tab's content. It is drawn anew whenever its tab is chosen. */
export interface Panel {
  readonly element: HTMLElement;
  show(): Promise<void>;
}

const TABS: [Tab, string][] = [
  ["rules", "Rules"],
  ["history", "History"],
  ["destinations", "Destinations"],
  ["digests", "Summaries"],
];

/** Show an organisation's alerts in a dialog, until it is closed; ``alertId`` is one that a link led to. */
export function showAlerts(api: Api, caller: Caller, alertId = ""): void {
  const mayWrite = caller.permissions.includes("alerts:write");
  const history = new History(api, mayWrite, alertId);
  const rules = new Rules(api, mayWrite, (rule) => {
    history.rule = rule;
    choose("history");
  });
  const destinations = new Destinations(api, caller.permissions.includes("settings:write"));
  const panels: Record<Tab, Panel> = { rules, history, destinations, digests: new Digests(api, mayWrite) };
  const place = el("div", { class: "usage" });
  const tabs = new Map(TABS.map(([tab, label]) => [tab, button(label, () => choose(tab), { "aria-pressed": "false" })]));
  const choose = (chosen: Tab) => {
    tabs.forEach((each, tab) => each.setAttribute("aria-pressed", String(tab === chosen)));
    place.replaceChildren(panels[chosen].element);
    void panels[chosen].show();
  };
  const dialog = el(
    "dialog",
    { "aria-labelledby": "alerts-title", class: "wide alerts" },
    el("h2", { id: "alerts-title" }, `Alerts of ${api.organization.name}`),
    el("div", { class: "row tabs", role: "group", "aria-label": "View" }, ...tabs.values()),
    place,
    el("div", { class: "row end" }, button("Close", () => dialog.close(), { class: "primary" })),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  choose(alertId ? "history" : "rules");
}
