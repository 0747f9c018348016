// The passages that an answer cites: each [1] leads to its excerpt, which stands below the answer.
import { el } from "./dom";
import type { Citation } from "./contract";

const MARK = /\[(\d{1,3})\]/g;

/** The list of what an answer is from; null where it cites nothing. An excerpt is open once it is asked for. */
export function sources(citations: Citation[], answerId: string): HTMLElement | null {
  if (!citations.length) {
    return null;
  }
  const items = citations.map((each) =>
    el(
      "li",
      {},
      el(
        "details",
        { id: sourceId(answerId, each.number) },
        el("summary", {}, el("span", { class: "cite-number" }, `[${each.number}]`), ` ${place(each)}`),
        each.heading && el("p", { class: "note" }, each.heading),
        el("blockquote", { class: "excerpt" }, each.excerpt),
      ),
    ),
  );
  return el("section", { class: "sources", "aria-label": "Answered from" }, el("p", { class: "note" }, "Answered from:"), el("ul", {}, ...items));
}

/** Make a link of each mark of a citation in the text; in code it stays what it is. */
export function linkCitations(prose: HTMLElement, citations: Citation[], answerId: string): void {
  const known = new Map(citations.map((each) => [each.number, each]));
  const walker = document.createTreeWalker(prose, NodeFilter.SHOW_TEXT, (node) =>
    node.parentElement?.closest("code, pre, a, button") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT,
  );
  const texts: Text[] = [];
  while (known.size && walker.nextNode()) {
    texts.push(walker.currentNode as Text);
  }
  for (const text of texts) {
    // From the end: what is before it keeps its place.
    for (const match of [...text.data.matchAll(MARK)].reverse()) {
      const cited = known.get(Number(match[1]));
      if (cited) {
        const rest = text.splitText(match.index);
        rest.splitText(match[0].length);
        rest.replaceWith(link(cited, sourceId(answerId, cited.number)));
      }
    }
  }
}

function link(cited: Citation, target: string): HTMLElement {
  const made = el("a", { class: "cite", href: `#${target}`, "aria-label": `Source ${cited.number}: ${place(cited)}` }, `[${cited.number}]`);
  made.title = place(cited);
  made.addEventListener("click", (event) => {
    event.preventDefault();
    const source = document.getElementById(target) as HTMLDetailsElement | null;
    if (source) {
      source.open = true;
      source.scrollIntoView({ block: "nearest" });
      source.querySelector("summary")?.focus();
    }
  });
  return made;
}

function place(cited: Citation): string {
  return cited.page === null ? cited.document : `${cited.document}, page ${cited.page}`;
}

function sourceId(answerId: string, number: number): string {
  return `source-${answerId}-${number}`;
}
