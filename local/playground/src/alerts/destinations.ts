// Where messages go: made, tried, switched off and deleted by administrators; a secret is shown once.
import type { Api } from "../api";
import { askToDelete } from "../dialogs";
import { button, el } from "../dom";
import type { Destination, DestinationKind } from "../contract";
import { attempt, choice, field, read } from "./fields";
import { moment } from "./words";
import type { Panel } from "./view";

const KINDS: Record<DestinationKind, string> = { webhook: "Webhook", slack: "Slack", teams: "Microsoft Teams", email: "E-mail" };
const STATES = { waiting: "on its way", delivered: "delivered", failed: "failed" };

export class Destinations implements Panel {
  readonly #said = el("div", { "aria-live": "polite" });
  readonly #note = el("p", { class: "note", role: "status" }, "Loading …");
  readonly #list = el("ul", { class: "cards", "aria-label": "Destinations" });
  readonly element: HTMLElement;

  constructor(
    readonly api: Api,
    readonly mayWrite: boolean,
  ) {
    const asked = mayWrite ? this.#form() : el("p", { class: "note" }, "An administrator makes and changes destinations.");
    this.element = el("section", { class: "usage", "aria-label": "Destinations" }, asked, this.#said, this.#note, this.#list);
  }

  async show(): Promise<void> {
    try {
      const found = await this.api.destinations();
      this.#note.textContent = found.length ? "" : "There is no destination yet: alerts are recorded, and nobody is sent a message.";
      this.#list.replaceChildren(...found.map((each) => this.#card(each)));
    } catch (failure) {
      this.#note.textContent = (failure as Error).message;
    }
  }

  #form(): HTMLElement {
    const form = el(
      "form",
      { class: "rule", "aria-label": "New destination" },
      choice("Kind", "kind", Object.entries(KINDS), "webhook"),
      field("Name", { name: "name", required: true, maxlength: 100 }),
      field("Address (https)", { name: "url", type: "url", maxlength: 2000, autocomplete: "off" }, "webhook slack teams"),
      field("Recipients, with commas", { name: "recipients", maxlength: 2000 }, "email"),
      el("div", { class: "row end" }, el("button", { type: "submit", class: "primary" }, "Add destination")),
    );
    const kind = form.elements.namedItem("kind") as HTMLSelectElement;
    const chosen = () =>
      form.querySelectorAll<HTMLElement>("[data-for]").forEach((each) => {
        each.hidden = !each.dataset["for"]?.split(" ").includes(kind.value);
      });
    kind.addEventListener("change", chosen);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const { recipients, ...given } = read(form);
      const to = String(recipients ?? "").split(",").map((each) => each.trim()).filter(Boolean);
      this.#do(async () => {
        const { secret } = await this.api.makeDestination({ ...given, ...(to.length ? { recipients: to } : {}) });
        form.reset();
        chosen();
        return secret === null ? `${given["name"]} is added. Try it with its test button.` : secretShown(secret);
      });
    });
    chosen();
    return form;
  }

  #card(each: Destination): HTMLElement {
    const act = (label: string, action: () => Promise<string | Node>) =>
      button(label, () => this.#do(action), { class: "quiet", "aria-label": `${label} ${each.name}` });
    const sent = el("ul", { hidden: true });
    const state = each.active ? "on" : `off${each.off_reason ? `: ${each.off_reason.replaceAll("_", " ")}` : ""}`;
    return el(
      "li",
      { "data-destination": each.destination_id },
      el("div", { class: "row" }, el("strong", { class: "name" }, each.name), el("span", { class: "badge" }, KINDS[each.kind]), el("span", { class: "badge" }, state)),
      el("p", { class: "note" }, each.address),
      el(
        "div",
        { class: "row" },
        this.mayWrite && act("Test", () => this.#test(each)),
        this.mayWrite && act(each.active ? "Switch off" : "Switch on", () => this.#switch(each)),
        this.mayWrite && each.kind === "webhook" && act("New secret", async () => secretShown(await this.api.newSecret(each.destination_id))),
        button("What was sent", () => this.#do(() => this.#sent(each, sent), false), { class: "quiet", "aria-label": `What was sent to ${each.name}` }),
        this.mayWrite && button("Delete", () => void this.#delete(each), { class: "quiet", "aria-label": `Delete ${each.name}` }),
      ),
      sent,
    );
  }

  async #test(each: Destination): Promise<string> {
    const { state, error, detail } = await this.api.testDestination(each.destination_id);
    return state === "delivered" ? `A test message was delivered to ${each.name}.` : `${each.name} took no message: ${detail ?? error ?? "it failed"}.`;
  }

  async #switch(each: Destination): Promise<string> {
    await this.api.changeDestination(each.destination_id, { active: !each.active });
    return `${each.name} is ${each.active ? "off: nothing is sent there" : "on"}.`;
  }

  async #sent(each: Destination, place: HTMLElement): Promise<string> {
    const found = await this.api.deliveries(each.destination_id);
    const lines = found.map((one) => `${moment(one.created_at)}: ${STATES[one.state]}${one.error ? ` (${one.error})` : ""}`);
    place.replaceChildren(...(lines.length ? lines : ["Nothing was sent yet."]).map((line) => el("li", { class: "note" }, line)));
    place.hidden = false;
    return "";
  }

  async #delete(each: Destination): Promise<void> {
    if (await askToDelete(each.name, "destination")) {
      this.#do(async () => {
        await this.api.deleteDestination(each.destination_id);
        return `${each.name} is deleted.`;
      });
    }
  }

  /** Do it, say what came of it, and read the list anew. */
  #do(action: () => Promise<string | Node>, again = true): void {
    void attempt(this.#said, async () => {
      const said = await action();
      this.#said.replaceChildren(typeof said === "string" ? el("p", { class: "note" }, said) : said);
      if (again) {
        await this.show();
      }
    });
  }
}

function secretShown(secret: string): HTMLElement {
  return el("p", {}, "The secret that signs what is sent there, shown this once: ", el("code", {}, secret));
}
