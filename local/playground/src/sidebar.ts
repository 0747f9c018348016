// The conversations of the organisation that is chosen, and what a search finds in them.
import type { Api } from "./api";
import { button, el } from "./dom";
import { ago } from "./format";
import type { Conversation, Hit } from "./contract";

const SEARCH_PAUSE = 200;

export class Sidebar {
  readonly #list = el("ul", { class: "conversations" });
  readonly #note = el("p", { class: "note", role: "status" });
  readonly #more = button("Show older", () => void this.#load(this.#cursor), { class: "quiet", hidden: true });
  readonly #search = el("input", {
    type: "search",
    placeholder: "Search conversations",
    "aria-label": "Search conversations",
    maxlength: 200,
  });
  readonly element = el(
    "nav",
    { id: "sidebar", "aria-label": "Conversations" },
    this.#search,
    this.#list,
    this.#more,
    this.#note,
  );
  #api: Api | null = null;
  #cursor: string | undefined;
  #current = "";
  #typed = 0;

  /** ``reveal`` brings it into view where there is no room for it beside the conversation. */
  constructor(
    readonly open: (conversationId: string, messageId?: string) => void,
    reveal: () => void,
  ) {
    document.addEventListener("keydown", (event) => {
      if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !document.querySelector("dialog[open]")) {
        event.preventDefault();
        reveal();
        this.#search.focus();
        this.#search.select();
      }
    });
    this.#search.addEventListener("input", () => {
      clearTimeout(this.#typed);
      this.#typed = window.setTimeout(() => void this.refresh(), SEARCH_PAUSE);
    });
  }

  async use(api: Api): Promise<void> {
    this.#api = api;
    this.#search.value = "";
    this.#list.replaceChildren();
    await this.refresh();
  }

  mark(conversationId: string): void {
    this.#current = conversationId;
    for (const link of this.#list.querySelectorAll<HTMLElement>("[data-id]")) {
      link.setAttribute("aria-current", link.dataset["id"] === conversationId ? "page" : "false");
    }
  }

  async refresh(): Promise<void> {
    const text = this.#search.value.trim();
    await (text ? this.#find(text) : this.#load());
  }

  async #load(cursor?: string): Promise<void> {
    await this.#show(async (api) => {
      const page = await api.conversations(cursor);
      const items = page.conversations.map((each) => this.#conversation(each));
      return () => {
        this.#cursor = page.next_cursor;
        this.#more.hidden = page.next_cursor === undefined;
        this.#list.replaceChildren(...(cursor ? this.#list.children : []), ...items);
        this.#note.textContent = this.#list.children.length ? "" : "Nothing was asked yet.";
      };
    });
  }

  async #find(text: string): Promise<void> {
    await this.#show(async (api) => {
      const { results, cut } = await api.search(text);
      const items = results.map((hit) => this.#hit(hit, text));
      return () => {
        this.#more.hidden = true;
        this.#list.replaceChildren(...items);
        this.#note.textContent = !items.length ? `Nothing says “${text}”.` : cut ? "There may be more." : "";
      };
    });
  }

  /** Show what a request brings, unless the organisation or the search changed meanwhile. */
  async #show(request: (api: Api) => Promise<() => void>): Promise<void> {
    const api = this.#api;
    const sought = this.#search.value;
    if (!api) {
      return;
    }
    try {
      const show = await request(api);
      if (api === this.#api && sought === this.#search.value) {
        show();
        this.mark(this.#current);
      }
    } catch (failure) {
      this.#note.textContent = (failure as Error).message;
    }
  }

  #conversation(each: Conversation): HTMLElement {
    return this.#item(each.conversation_id, undefined, [
      el("span", { class: "title" }, each.title),
      each.escalated !== null && each.escalated.resolved_at === null && el("span", { class: "badge" }, "waits for a person"),
      el("time", { datetime: each.last_message_at }, ago(each.last_message_at)),
    ]);
  }

  #hit(hit: Hit, text: string): HTMLElement {
    const snippet = el("span", { class: "snippet" });
    const said = readable(hit.snippet, text);
    const at = position(said, text);
    if (at < 0) {
      snippet.append(said);
    } else {
      const end = at + text.length;
      snippet.append(said.slice(0, at), el("mark", {}, said.slice(at, end)), said.slice(end));
    }
    return this.#item(hit.conversation_id, hit.message_id, [
      el("span", { class: "who" }, hit.role === "user" ? "You asked" : "Answer"),
      snippet,
    ]);
  }

  #item(conversationId: string, messageId: string | undefined, children: (Node | false)[]): HTMLElement {
    const link = el("button", { type: "button", "data-id": conversationId }, ...children);
    link.addEventListener("click", () => this.open(conversationId, messageId));
    return el("li", {}, link);
  }
}

function position(said: string, text: string): number {
  return said.toLowerCase().indexOf(text.toLowerCase());
}

/** A snippet without the marks of markdown, unless they are part of what is sought. */
function readable(snippet: string, text: string): string {
  const plain = snippet.replace(/\*\*|\||:?-{3,}:?/g, " ").replace(/\s+/g, " ");
  return position(plain, text) < 0 ? snippet : plain;
}
