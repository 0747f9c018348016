// A model's markdown as elements that can do no harm, whatever it wrote.
import DOMPurify from "dompurify";
import { Marked } from "marked";
import { csv, unseparated } from "./csv";
import { button, el } from "./dom";
import { save } from "./files";
import { figure } from "./format";

const SHOWN_ROWS = 50;
// A figure with its sign, currency, separators, unit or percent; and one that a model wrote as a machine does.
const FIGURE = /^[(+\-−–]?\s*([A-Z]{3}\s?|[$€£¥₹])?\s?[+\-−]?\d[\d,]*(\.\d+)?\s?([A-Z]{3}|[$€£¥₹]|%|[kMGT]?B|k|M|bn|pp)?\)?$/;
const BARE = /^-?(\d{5,}(\.\d+)?|\d+\.\d{3,})$/;
const NOTHING = /^([–—-]|n\/a|null|none)$/i;
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
  const fragment = purifier.sanitize(marked.parse(text, { async: false }), {
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
  fragment.querySelectorAll("table").forEach(boxed);
  return fragment;
}

/** A table that scrolls in its own box, with its figures to the right, all of its rows on demand, and a file. */
function boxed(table: HTMLTableElement): void {
  const box = el("div", { class: "table", tabindex: 0, role: "region", "aria-label": "Table" });
  table.replaceWith(box);
  box.append(table);
  alignFigures(table);
  const rest = [...table.querySelectorAll("tbody tr")].slice(SHOWN_ROWS);
  rest.forEach((row) => row.toggleAttribute("hidden", true));
  const more = button(`Show ${rest.length} more rows`, () => {
    rest.forEach((row) => row.toggleAttribute("hidden", false));
    more.remove();
    box.focus();
  }, { class: "quiet" });
  const saved = button("CSV", () => save("table.csv", csv(cells(table)), "text/csv"), {
    class: "quiet",
    "aria-label": "Save table as CSV",
  });
  box.after(el("div", { class: "row table-actions" }, rest.length > 0 && more, saved));
}

function cells(table: HTMLTableElement): string[][] {
  return [...table.rows].map((row) => [...row.cells].map((cell) => unseparated(cell.textContent ?? "")));
}

/** A column of nothing but figures is one of figures, whatever the model said about its side. */
function alignFigures(table: HTMLTableElement): void {
  const rows = [...(table.tBodies[0]?.rows ?? [])];
  [...(table.tHead?.rows[0]?.cells ?? [])].forEach((head, index) => {
    const column = rows.map((row) => row.cells[index]);
    const said = column.map((cell) => (cell?.textContent ?? "").trim()).filter((text) => text && !NOTHING.test(text));
    if (said.length && said.every((text) => FIGURE.test(text))) {
      [head, ...column].forEach((cell) => cell?.setAttribute("align", "right"));
      column.forEach((cell) => cell && readable(cell));
    }
  });
}

/** Write a bare figure with separators and without decimals that nobody reads. */
function readable(cell: HTMLTableCellElement): void {
  const text = (cell.textContent ?? "").trim();
  if (BARE.test(text) && !cell.children.length) {
    cell.textContent = figure(Number(text));
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
