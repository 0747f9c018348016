// Labelled inputs, and what is filled in.
import { el } from "../dom";
import type { Destination, Row } from "../contract";

type Attributes = Record<string, string | number | boolean | null>;

/** A labelled input; ``only`` names the kinds that it is for. */
export function field(label: string, attributes: Attributes, only = ""): HTMLElement {
  return el("label", { "data-for": only || null }, el("span", {}, label), el("input", { type: "text", ...attributes }));
}

export function choice(label: string, name: string, options: string[][], chosen: string, only = ""): HTMLElement {
  const made = options.map(([value = "", words = ""]) => el("option", { value, selected: value === chosen }, words));
  return el("label", { "data-for": only || null }, el("span", {}, label), el("select", { name }, ...made));
}

/** Destinations of which any number may be chosen. */
export function destinationChoice(all: Destination[], chosen: string[] = []): HTMLElement | false {
  const options = all.map((each) => el("option", { value: each.destination_id, selected: chosen.includes(each.destination_id) }, each.name));
  return options.length > 0 && el("label", {}, el("span", {}, "Tells (all if none is chosen)"), el("select", { name: "destinations", multiple: true, size: Math.min(4, options.length) }, ...options));
}

/** What is filled in and shown, numbers as numbers. */
export function read(form: HTMLFormElement): Row {
  const given: Row = {};
  for (const each of form.elements) {
    if (each instanceof HTMLSelectElement && each.multiple) {
      given[each.name] = [...each.selectedOptions].map((one) => one.value);
      continue;
    }
    if ((each instanceof HTMLInputElement || each instanceof HTMLSelectElement) && each.value.trim() && !each.closest("[hidden]")) {
      given[each.name] = each.type === "number" ? Number(each.value) : each.value.trim();
    }
  }
  return given;
}

/** Do something, and say in ``place`` what went wrong. */
export async function attempt(place: HTMLElement, action: () => Promise<void>): Promise<void> {
  place.setAttribute("aria-busy", "true");
  try {
    await action();
  } catch (failure) {
    place.replaceChildren(el("p", { class: "problem", role: "alert" }, (failure as Error).message));
  }
  place.removeAttribute("aria-busy");
}
