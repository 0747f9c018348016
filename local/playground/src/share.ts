// One answer as an HTML file that anybody can read: the question, the text, charts, figures, period and SQL.
import { el } from "./dom";
import { save } from "./files";
import type { Work } from "./work";

const STYLE = `body{max-width:60rem;margin:2rem auto;padding:0 1rem;font:15px/1.6 system-ui,sans-serif;color:#171b21;background:#fff}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px}
th,td{padding:.3rem .7rem;border-bottom:1px solid #e1e5ea;text-align:left;vertical-align:top}
.number,[align=right]{text-align:right}.wide{overflow-x:auto}
pre{padding:.75rem;background:#f6f7f9;overflow:auto;font-size:12.5px;white-space:pre-wrap}
dt{float:left;clear:left;min-width:9rem;color:#56606d}dd{margin-left:10rem}.facts{color:#56606d;font-size:13px}`;

export interface Shared {
  question: string;
  organization: string;
  facts: string;
  prose: HTMLElement;
  sources: HTMLElement | null;
  charts: HTMLElement;
  works: Work[];
}

/** Save it, once its charts are drawn. */
export async function share(shared: Shared): Promise<void> {
  await Promise.all(shared.works.map((work) => work.drawn));
  const asked = shared.question || "Answer";
  save(`${asked.slice(0, 60)}.html`, page(asked, body(shared)), "text/html");
}

function body({ question, organization, facts, prose, sources, charts, works }: Shared): HTMLElement {
  const day = new Date().toISOString().slice(0, 10);
  return el(
    "main",
    {},
    el("h1", {}, question),
    el("p", { class: "facts" }, [organization, `saved ${day} (UTC)`, facts].filter(Boolean).join(" · ")),
    plain(prose),
    sources && opened(sources),
    ...[...charts.querySelectorAll(".canvas svg")].map((each) => el("figure", {}, each.cloneNode(true))),
    ...works.map((work) => section(work)),
  );
}

/** The text of an answer without the page's controls, and with all rows of its tables. */
function plain(prose: HTMLElement): HTMLElement {
  const copy = prose.cloneNode(true) as HTMLElement;
  copy.querySelectorAll("button, .table-actions").forEach((each) => each.remove());
  copy.querySelectorAll("[hidden]").forEach((each) => each.removeAttribute("hidden"));
  copy.querySelectorAll(".table").forEach((each) => each.replaceWith(el("div", { class: "wide" }, ...each.childNodes)));
  return copy;
}

/** What the answer is from, with every excerpt. */
function opened(sources: HTMLElement): HTMLElement {
  const copy = sources.cloneNode(true) as HTMLElement;
  copy.querySelectorAll("details").forEach((each) => each.setAttribute("open", ""));
  return copy;
}

function section(work: Work): HTMLElement {
  return el("section", {}, el("h2", {}, work.name.replaceAll("_", " ")), ...work.printed());
}

/** The file: inert wherever it is opened, for it runs and loads nothing. */
function page(title: string, main: HTMLElement): string {
  const named = el("title", {}, title).outerHTML;
  const policy = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`;
  return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8">${policy}<meta name="viewport" content="width=device-width">${named}<style>${STYLE}</style></head><body>${main.outerHTML}</body></html>\n`;
}
