// A model's markdown as elements that can do no harm, whatever it wrote.
import DOMPurify from "dompurify";
import { Marked, type Token, type Tokens } from "marked";
import { el } from "./dom";

const MOST_ROWS = 200;
const TAGS = [
  "p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "strong", "em", "del",
  "code", "pre", "a", "table", "thead", "tbody", "tr", "th", "td",
];

const BREAK = /^<br\s*\/?>$/i;

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

const marked = new Marked({
  gfm: true,
  renderer: {
    // A picture would be fetched from wherever the model says: its description is enough.
    image: ({ text }) => escaped(text),
    // Markup is shown as what it is, text, before the sanitizer has to see it.
    html: ({ text }) => (BREAK.test(text) ? "<br>" : escaped(text)),
  },
});

const purifier = DOMPurify(window);
purifier.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A" && node.hasAttribute("href")) {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer");
  }
});

/** The text as elements: no scripts, styles, pictures or forms; links lead to http(s) only. */
export function rendered(text: string): DocumentFragment {
  const tokens = marked.lexer(text);
  const left = shortened(tokens);
  const fragment = purifier.sanitize(marked.parser(tokens), {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ["href", "align", "start"],
    ALLOWED_URI_REGEXP: /^https?:\/\//i,
    ADD_URI_SAFE_ATTR: ["align", "start"],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  });
  for (const heading of fragment.querySelectorAll("h1, h2")) {
    // The page has its own first headings.
    const lower = el("h3");
    lower.append(...heading.childNodes);
    heading.replaceWith(lower);
  }
  fragment.querySelectorAll("table").forEach((table, index) => boxed(table, left[index] ?? 0));
  return fragment;
}

/** Cut tables where nobody reads on; returns how many rows each has lost. */
function shortened(tokens: Token[]): number[] {
  const left: number[] = [];
  marked.walkTokens(tokens, (token) => {
    if (token.type === "table") {
      const { rows } = token as Tokens.Table;
      left.push(rows.splice(MOST_ROWS).length);
    }
  });
  return left;
}

/** A table that scrolls in its own box. */
function boxed(table: HTMLTableElement, left: number): void {
  const box = el("div", { class: "table", tabindex: 0, role: "region", "aria-label": "Table" });
  table.replaceWith(box);
  box.append(table);
  if (left) {
    box.after(el("p", { class: "note" }, `${left} more rows are not shown.`));
  }
}

/** Shows a text that grows: as often as it can without falling behind. */
export class Prose {
  readonly element = el("div", { class: "prose" });
  #text = "";
  #frame = 0;
  #rest = 0;

  get text(): string {
    return this.#text;
  }

  add(text: string): void {
    this.#text += text;
    this.#frame ||= requestAnimationFrame((now) => this.#draw(now));
  }

  /** Show all of it now. */
  flush(): void {
    cancelAnimationFrame(this.#frame);
    this.#rest = 0;
    this.#draw(performance.now());
  }

  #draw(now: number): void {
    if (now < this.#rest) {
      this.#frame = requestAnimationFrame((later) => this.#draw(later));
      return;
    }
    this.#frame = 0;
    const started = performance.now();
    this.element.replaceChildren(rendered(this.#text));
    // A long text takes its time: most of it is left to the person who reads.
    this.#rest = performance.now() + 4 * (performance.now() - started);
  }
}
