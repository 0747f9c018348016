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
    const make = button("New summary", () => void this.#open(), { class: "primary" });
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

  async #open(digest?: Digest): Promise<void> {
    try {
      const form = this.#form(await this.api.destinations(), digest);
      this.#place.replaceChildren(form);
      form.querySelector("input")?.focus();
    } catch (failure) {
      this.#said.textContent = (failure as Error).message;
    }
  }

  #form(known: Destination[], digest?: Digest): HTMLElement {
    const [filter] = digest?.filters ?? [];
    const preview = el("div", { class: "preview", "aria-live": "polite" });
    const form = el(
      "form",
      { class: "rule", "aria-label": digest ? `Edit ${digest.name}` : "New summary" },
      field("Name", { name: "name", required: true, maxlength: 100, value: digest?.name ?? "" }),
      choice("Of each", "cadence", [["weekly", "week"], ["monthly", "month"]], digest?.cadence ?? "weekly"),
      choice("Sent on", "weekday", WEEKDAYS.map((each) => [each, each]), digest?.weekday ?? "monday", "weekly"),
      field("Sent on day", { name: "day", type: "number", min: 1, max: 28, value: digest?.day ?? 3 }, "monthly"),
      field("At hour", { name: "hour", type: "number", min: 0, max: 23, value: digest?.hour ?? 8 }),
      field("Time zone (the organisation's if empty)", { name: "time_zone", maxlength: 64, placeholder: "Europe/Berlin", value: digest?.time_zone ?? "" }),
      field("Team (all if empty)", { name: "team", maxlength: 200, value: digest?.team ?? "" }),
      ...(isPlain(digest) ? [
        field("Filter on (such as provider or tag:env)", { name: "dimension", maxlength: 140, value: String(filter?.["dimension"] ?? "") }),
        field("Filter values, with commas", { name: "values", maxlength: 500, value: valuesOf(filter) }),
      ] : [el("p", { class: "note" }, "Its filters stay as they are.")]),
      destinationChoice(known, digest?.destinations),
      preview,
    );
    const make = button(digest ? "Save summary" : "Create summary", () => form.reportValidity() && void attempt(preview, async () => {
      const given = wanted(read(form));
      await (digest ? this.api.changeDigest(digest.digest_id, changes(given, digest)) : this.api.makeDigest(given));
      form.remove();
      await this.show(digest ? "The summary is changed." : "The summary is set up.");
    }), { class: "primary", hidden: !this.mayWrite });
    const look = button("Preview", () => void attempt(preview, async () => {
      const given = wanted(read(form));
      const { cadence, team, filters } = isPlain(digest) ? given : { filters: digest?.filters, ...given };
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
    const filters = each.filters.map((one) => `${one["dimension"]} ${valuesOf(one)}`);
    const scope = [each.team, ...filters].filter(Boolean).join(", ") || "all costs";
    return el(
      "li",
      { "data-digest": each.digest_id },
      el("div", { class: "row" }, el("strong", { class: "name" }, each.name), el("span", { class: "badge" }, each.cadence)),
      el("p", {}, `${scope} · ${day}, ${each.hour}:00 ${each.time_zone}`),
      el("p", { class: "note" }, `Next ${moment(each.next_at)}${each.last_period ? ` · last sent for ${each.last_period}` : ""}`),
      this.mayWrite && el("div", { class: "row" },
        button("Edit", () => void this.#open(each), { class: "quiet", "aria-label": `Edit ${each.name}` }),
        button("Delete", () => void this.#delete(each), { class: "quiet", "aria-label": `Delete ${each.name}` }),
      ),
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

function valuesOf(filter?: Row): string {
  return [filter?.["values"] ?? []].flat().join(", ");
}

/** Whether the form shows all of its filters: one at most, of values that are in. */
function isPlain(digest?: Digest): boolean {
  const [first, ...more] = digest?.filters ?? [];
  return more.length === 0 && ["in", undefined].includes(first?.["op"] as string | undefined) && ![first?.["values"] ?? []].flat().some((each) => String(each).includes(","));
}

/** What is filled in beside the summary that it changes: what was emptied counts for all. */
function changes(given: Row, digest: Digest): Row {
  return { team: null, ...(isPlain(digest) ? { filters: [] } : {}), ...given };
}

/** What is filled in, as the call takes it. */
function wanted(given: Row): Row {
  const { dimension, values, ...rest } = given;
  const named = String(values ?? "").split(",").map((each) => each.trim()).filter(Boolean);
  return dimension ? { ...rest, filters: [{ dimension, op: "in", values: named }] } : rest;
}
