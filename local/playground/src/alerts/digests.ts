// Summaries of a week or a month: read at once, and sent when it is over.
import type { Api } from "../api";
import { askToDelete } from "../dialogs";
import { button, el } from "../dom";
import type { Destination, Digest, Row } from "../contract";
import { attempt, choice, destinationChoice, field, read } from "./fields";
import { moment } from "./words";
import type { Panel } from "./view";

const WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

export class Digests implements Panel {
  readonly #place = el("div", {});
  readonly #said = el("p", { class: "note", role: "status" }, "Loading …");
  readonly #list = el("ul", { class: "cards", "aria-label": "Summaries" });
  readonly element: HTMLElement;

  constructor(
    readonly api: Api,
    readonly mayWrite: boolean,
  ) {
    const make = button("New summary", () => void this.#make(), { class: "primary" });
    this.element = el("section", { class: "usage", "aria-label": "Summaries" }, el("div", { class: "row" }, make), this.#place, this.#said, this.#list);
  }

  async show(said = ""): Promise<void> {
    try {
      const found = await this.api.digests();
      this.#said.textContent = said || (found.length ? "" : "No summary is sent yet.");
      this.#list.replaceChildren(...found.map((each) => this.#card(each)));
    } catch (failure) {
      this.#said.textContent = (failure as Error).message;
    }
  }

  async #make(): Promise<void> {
    try {
      this.#place.replaceChildren(this.#form(await this.api.destinations()));
    } catch (failure) {
      this.#said.textContent = (failure as Error).message;
    }
  }

  #form(known: Destination[]): HTMLElement {
    const preview = el("div", { class: "preview", "aria-live": "polite" });
    const form = el(
      "form",
      { class: "rule", "aria-label": "New summary" },
      field("Name", { name: "name", required: true, maxlength: 100 }),
      choice("Of each", "cadence", [["weekly", "week"], ["monthly", "month"]], "weekly"),
      choice("Sent on", "weekday", WEEKDAYS.map((each) => [each, each]), "monday", "weekly"),
      field("Sent on day", { name: "day", type: "number", min: 1, max: 28, value: 3 }, "monthly"),
      field("At hour", { name: "hour", type: "number", min: 0, max: 23, value: 8 }),
      field("Time zone (the organisation's if empty)", { name: "time_zone", maxlength: 64, placeholder: "Europe/Berlin" }),
      field("Team (all if empty)", { name: "team", maxlength: 200 }),
      field("Filter on (such as provider or tag:env)", { name: "dimension", maxlength: 140 }),
      field("Filter values, with commas", { name: "values", maxlength: 500 }),
      destinationChoice(known),
      preview,
    );
    const make = button("Create summary", () => form.reportValidity() && void attempt(preview, async () => {
      await this.api.makeDigest(wanted(read(form)));
      form.remove();
      await this.show("The summary is set up.");
    }), { class: "primary", hidden: !this.mayWrite });
    const look = button("Preview", () => void attempt(preview, async () => {
      const { cadence, team, filters } = wanted(read(form));
      const { title, text } = await this.api.previewDigest({ cadence, ...(team ? { team } : {}), ...(filters ? { filters } : {}) });
      preview.replaceChildren(el("strong", {}, title), el("pre", { class: "digest", tabindex: 0, "aria-label": "Summary" }, text));
    }));
    form.append(el("div", { class: "row end" }, button("Cancel", () => form.remove()), look, make));
    const cadence = form.elements.namedItem("cadence") as HTMLSelectElement;
    const chosen = () =>
      form.querySelectorAll<HTMLElement>("[data-for]").forEach((each) => {
        each.hidden = each.dataset["for"] !== cadence.value;
      });
    cadence.addEventListener("change", chosen);
    form.addEventListener("submit", (event) => event.preventDefault());
    chosen();
    return form;
  }

  #card(each: Digest): HTMLElement {
    const day = each.cadence === "weekly" ? `each ${each.weekday}` : `on day ${each.day} of each month`;
    const filters = each.filters.map((one) => `${one["dimension"]} ${[one["values"]].flat().join(", ")}`);
    const scope = [each.team, ...filters].filter(Boolean).join(", ") || "all costs";
    return el(
      "li",
      { "data-digest": each.digest_id },
      el("div", { class: "row" }, el("strong", { class: "name" }, each.name), el("span", { class: "badge" }, each.cadence)),
      el("p", {}, `${scope} · ${day}, ${each.hour}:00 ${each.time_zone}`),
      el("p", { class: "note" }, `Next ${moment(each.next_at)}${each.last_period ? ` · last sent for ${each.last_period}` : ""}`),
      this.mayWrite && el("div", { class: "row" }, button("Delete", () => void this.#delete(each), { class: "quiet", "aria-label": `Delete ${each.name}` })),
    );
  }

  async #delete(each: Digest): Promise<void> {
    if (await askToDelete(each.name, "summary")) {
      try {
        await this.api.deleteDigest(each.digest_id);
        await this.show(`${each.name} is deleted.`);
      } catch (failure) {
        this.#said.textContent = (failure as Error).message;
      }
    }
  }
}

/** What is filled in, as the call takes it. */
function wanted(given: Row): Row {
  const { dimension, values, ...rest } = given;
  const named = String(values ?? "").split(",").map((each) => each.trim()).filter(Boolean);
  return dimension ? { ...rest, filters: [{ dimension, op: "in", values: named }] } : rest;
}
