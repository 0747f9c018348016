// The figures of an answer that stand in no result behind it: underlined where they are, and named in a sentence.
import { el } from "./dom";

/** Say which figures were not found; nothing where all were. */
export function unverifiedNote(figures: string[]): HTMLElement | null {
  if (!figures.length) {
    return null;
  }
  const one = figures.length === 1;
  const which = `${one ? "This figure was" : "These figures were"} not found in the data behind the answer`;
  return el("p", { class: "note unverified-note", role: "status" }, `${which}: ${figures.join(", ")}. Check ${one ? "it" : "them"} before you rely on ${one ? "it" : "them"}.`);
}

/** Underline each of the figures wherever it stands in a text. */
export function markUnverified(prose: HTMLElement, figures: string[]): void {
  if (!figures.length) {
    return;
  }
  const escaped = figures.map((each) => each.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const pattern = new RegExp(`(?<![\\d.,])(?:${escaped.join("|")})(?!\\d|[.,]\\d)`, "g");
  const walker = document.createTreeWalker(prose, NodeFilter.SHOW_TEXT);
  const texts: Text[] = [];
  while (walker.nextNode()) {
    texts.push(walker.currentNode as Text);
  }
  for (const text of texts) {
    const found = [...text.data.matchAll(pattern)];
    // From the end: what is before it keeps its place.
    for (const match of found.reverse()) {
      const rest = text.splitText(match.index);
      rest.splitText(match[0].length);
      const mark = el("mark", { class: "unverified", title: "Not found in the data behind this answer" });
      rest.replaceWith(mark);
      mark.append(rest);
    }
  }
}
