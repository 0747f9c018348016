// The page: which organisation, which conversation, and what is around them.
import { showAdministration } from "./admin";
import { showAlerts } from "./alerts/view";
import { Api, ApiError, organizations, signIn } from "./api";
import { Chat } from "./chat";
import { Composer } from "./composer";
import { showDocuments } from "./documents";
import { askForPerson, askForTitle, askToDelete } from "./dialogs";
import { button, el, icon, iconButton } from "./dom";
import { Sidebar } from "./sidebar";
import { themeToggle } from "./theme";
import { showUsage } from "./usage";
import { ago } from "./format";
import type { Caller, Escalation, Organization } from "./contract";

const TITLE = "Cloud-cost chat";
const TITLE_CHARS = 100;

class Page {
  readonly #choice = el("select", { "aria-label": "Organisation" });
  readonly #person = el("select", { "aria-label": "Signed in as" });
  readonly #administration: HTMLButtonElement;
  readonly #documents = iconButton(
    "documents",
    "Documents",
    () => this.#caller && showDocuments(this.#api, this.#caller),
    { class: "icon", hidden: true },
  );
  readonly #alerts = iconButton("bell", "Alerts", () => this.#showAlerts(), { class: "icon", hidden: true });
  readonly #role = el("span", { class: "note role" });
  #caller: Caller | null = null;
  /** The alert that a link led to, until it is shown. */
  #linkedAlert = "";
  readonly #model = el("span", { class: "model" });
  readonly #title = el("h1", {}, TITLE);
  readonly #actions: HTMLElement;
  readonly #problem = el("p", { class: "problem banner", role: "alert", hidden: true });
  readonly #escalated = el("p", { class: "note banner", role: "status", hidden: true });
  readonly #place = el("div", { class: "place" });
  readonly #menu: HTMLButtonElement;
  readonly #sidebar = new Sidebar(
    (conversationId, messageId) => this.#open(conversationId, messageId),
    () => this.#showSidebar(true),
  );
  readonly #composer = new Composer(
    (question) => this.#chat?.ask(question),
    () => this.#chat?.stop(),
  );
  #api: Api;
  #chat: Chat | null = null;

  constructor(readonly all: Organization[]) {
    this.#api = new Api(all[0] as Organization);
    this.#choice.append(...all.map((each) => el("option", { value: each.slug }, each.name)));
    this.#choice.addEventListener("change", () => this.#go(this.#choice.value, ""));
    this.#person.addEventListener("change", () => void this.#signIn());
    this.#administration = iconButton(
      "people",
      "Administration",
      () => this.#caller && showAdministration(this.#api, this.#caller),
      { class: "icon", hidden: true },
    );
    this.#menu = iconButton("menu", "Conversations", () => this.#showSidebar(!this.#sidebarShown), {
      class: "icon menu",
      "aria-controls": "sidebar",
      "aria-expanded": "false",
    });
    this.#actions = el(
      "div",
      { class: "row", hidden: true },
      iconButton("edit", "Rename", () => void this.#rename()),
      iconButton("download", "Export", () => void this.#export()),
      iconButton("person", "Ask a person", () => void this.#escalate()),
      iconButton("trash", "Delete", () => void this.#delete()),
    );
    const fresh = button("New question", () => this.#go(this.#api.organization.slug, ""), { class: "new" });
    fresh.prepend(icon("plus"));
    const brand = el("div", { class: "brand" }, el("strong", {}, TITLE), el("label", {}, el("span", {}, "Organisation"), this.#choice), el("label", {}, el("span", {}, "Signed in as"), this.#person), this.#role);
    this.#sidebar.element.prepend(brand, fresh);
    const usage = iconButton("usage", "Usage", () => showUsage(this.#api));
    const around = [this.#administration, this.#documents, this.#alerts, usage, themeToggle()];
    const header = el("header", { class: "top" }, this.#menu, this.#title, this.#actions, this.#model, ...around);
    const skip = el("a", { class: "skip", href: "#main" }, "Skip to the conversation");
    skip.addEventListener("click", (event) => {
      event.preventDefault();
      this.#composer.focus();
    });
    const main = el("main", { id: "main" }, this.#place, this.#composer.element);
    document.body.replaceChildren(
      skip,
      this.#sidebar.element,
      el("div", { class: "page" }, header, this.#problem, this.#escalated, main),
    );
    main.addEventListener("click", () => this.#showSidebar(false));
    window.addEventListener("hashchange", () => void this.#follow());
  }

  /** Show what the address says: #/organisation/conversation, or the query of a link in a message. */
  async start(): Promise<void> {
    const link = new URLSearchParams(location.search);
    if (link.has("org")) {
      this.#linkedAlert = link.get("alert") ?? "";
      history.replaceState(null, "", `${location.pathname}#/${link.get("org")}/${link.get("conversation") ?? ""}`);
    }
    await this.#follow();
    this.#composer.focus();
  }

  async #follow(): Promise<void> {
    const [, slug = "", conversationId = ""] = location.hash.split("/");
    const organization = this.all.find((each) => each.slug === slug) ?? (this.all[0] as Organization);
    if (organization !== this.#api.organization || !this.#chat) {
      this.#api = new Api(organization);
      this.#choice.value = organization.slug;
      const people = organization.people.map((each) => el("option", { value: each.user_id }, `${each.name} (${each.role})`));
      this.#person.replaceChildren(el("option", { value: "" }, "The organisation's key"), ...people);
      this.#use();
    } else if (this.#chat.conversationId === conversationId) {
      return;
    }
    await this.#show(conversationId);
  }

  /** Show a conversation; a new one gets its title from its first question. */
  async #show(conversationId: string): Promise<void> {
    this.#chat?.close();
    const chat = new Chat(this.#api, conversationId || crypto.randomUUID(), {
      escalated: (state) => this.#showEscalation(state),
      titled: (title) => {
        const renamed = this.#title.textContent !== title;
        this.#named(title);
        if (!conversationId) {
          // From now on there is something to come back to.
          history.replaceState(null, "", `#/${this.#api.organization.slug}/${chat.conversationId}`);
          this.#sidebar.mark(chat.conversationId);
          conversationId = chat.conversationId;
        }
        if (renamed) {
          void this.#sidebar.refresh();
        }
      },
      busy: (busy) => {
        this.#composer.busy = busy;
      },
      asked: (questions) => {
        this.#composer.asked = questions;
      },
      branch: (old, times, question) => void this.#branch(old, times, question),
    });
    this.#chat = chat;
    this.#composer.busy = false;
    this.#composer.asked = [];
    this.#place.replaceChildren(chat.element);
    this.#sidebar.mark(conversationId);
    this.#showSidebar(false);
    this.#named("");
    this.#say("");
    this.#showEscalation(null);
    if (!conversationId) {
      chat.begin();
      return;
    }
    await this.#attempt(() => chat.restore().catch((failure) => this.#missing(failure)));
  }

  /** Where an address leads to nothing of the organisation's, one begins anew. */
  async #missing(failure: unknown): Promise<void> {
    if (!(failure instanceof ApiError) || failure.status < 400 || failure.status >= 500 || failure.status === 429) {
      throw failure;
    }
    const { slug, name } = this.#api.organization;
    history.replaceState(null, "", `#/${slug}/`);
    await this.#show("");
    this.#chat?.begin(`This conversation is not among yours at ${name}: it was deleted, or its address is not complete.`);
  }

  /** Ask a question in other words in a new conversation, after what was said before it. */
  async #branch(old: string, times: number, question: string): Promise<void> {
    const { slug } = this.#api.organization;
    const origin = this.#chat?.conversationId ?? "";
    const title = this.#title.textContent;
    await this.#attempt(async () => {
      const branch = await this.#api.fork(origin, old, times, question.slice(0, TITLE_CHARS));
      history.pushState(null, "", `#/${slug}/${branch ?? ""}`);
      await this.#show(branch ?? "");
      await this.#sidebar.refresh();
      const back = button(`Back to “${title}”`, () => this.#open(origin), { class: "quiet" });
      this.#chat?.askAfter(el("p", { class: "note branch" }, "A branch: the other one stays as it is. ", back), question);
      this.#composer.focus();
    });
  }

  #open(conversationId: string, messageId?: string): void {
    const show = () => messageId && this.#chat?.show(messageId);
    if (this.#chat?.conversationId === conversationId) {
      this.#showSidebar(false);
      show();
      return;
    }
    history.pushState(null, "", `#/${this.#api.organization.slug}/${conversationId}`);
    void this.#show(conversationId).then(show);
  }

  #go(slug: string, conversationId: string): void {
    history.pushState(null, "", `#/${slug}/${conversationId}`);
    this.#chat?.close();
    if (slug === this.#api.organization.slug) {
      void this.#show(conversationId);
    } else {
      void this.#follow();
    }
    this.#composer.focus();
  }

  /** Read everything anew, as whoever calls now. */
  #use(): void {
    void this.#sidebar.use(this.#api);
    void this.#showModel();
    void this.#showCaller();
  }

  async #signIn(): Promise<void> {
    const { organization } = this.#api;
    const person = organization.people.find((each) => each.user_id === this.#person.value);
    this.#role.textContent = "";
    this.#administration.hidden = this.#documents.hidden = this.#alerts.hidden = true;
    await this.#attempt(async () => {
      this.#api = new Api(organization, person ? await signIn(organization, person) : "");
      history.pushState(null, "", `#/${organization.slug}/`);
      this.#use();
      await this.#show("");
    });
  }

  async #showCaller(): Promise<void> {
    const api = this.#api;
    await this.#attempt(async () => {
      const caller = await api.caller();
      if (api === this.#api) {
        this.#caller = caller;
        this.#role.textContent = `Role: ${caller.role}`;
        this.#documents.hidden = this.#alerts.hidden = !caller.permissions.includes("chat:read");
        this.#administration.hidden = !caller.permissions.includes("access:write");
        if (this.#linkedAlert) {
          this.#showAlerts(this.#linkedAlert);
          this.#linkedAlert = "";
        }
      }
    });
  }

  #showAlerts(alertId = ""): void {
    if (this.#caller) {
      showAlerts(this.#api, this.#caller, alertId);
    }
  }

  async #showModel(): Promise<void> {
    const api = this.#api;
    await this.#attempt(async () => {
      const status = await api.status();
      if (api === this.#api) {
        this.#model.textContent = status.configured ? (status.model_id ?? "") : "";
        this.#say(status.configured ? "" : "No chat model is set up for this organisation yet.");
      }
    });
  }

  async #rename(): Promise<void> {
    const chat = this.#chat;
    const title = await askForTitle(this.#title.textContent);
    if (chat && title) {
      await this.#attempt(async () => {
        await this.#api.rename(chat.conversationId, title);
        this.#named(title);
        await this.#sidebar.refresh();
      });
    }
  }

  async #delete(): Promise<void> {
    const chat = this.#chat;
    if (chat && (await askToDelete(this.#title.textContent))) {
      await this.#attempt(async () => {
        await this.#api.delete(chat.conversationId);
        this.#go(this.#api.organization.slug, "");
        await this.#sidebar.refresh();
      });
    }
  }

  async #escalate(): Promise<void> {
    const chat = this.#chat;
    const reason = chat && (await askForPerson());
    if (chat && reason !== null) {
      await this.#attempt(async () => {
        const { escalated, told } = await this.#api.escalate(chat.conversationId, reason ?? "");
        this.#showEscalation(escalated, told ? "" : " No destination is set up for messages, so nobody was sent one.");
        await this.#sidebar.refresh();
      });
    }
  }

  async #resolve(): Promise<void> {
    const chat = this.#chat;
    if (chat) {
      await this.#attempt(async () => {
        this.#showEscalation((await this.#api.resolve(chat.conversationId)).escalated);
        await this.#sidebar.refresh();
      });
    }
  }

  /** Say above a conversation that a person was asked for, until that is resolved. */
  #showEscalation(state: Escalation | null, more = ""): void {
    const waits = state !== null && state.resolved_at === null;
    this.#escalated.hidden = !waits;
    if (waits) {
      const said = `${state.by} asked for a person ${ago(state.at)}${state.reason ? `: “${state.reason}”` : "."}${more} `;
      this.#escalated.replaceChildren(said, button("Resolved", () => void this.#resolve(), { class: "quiet" }));
    }
  }

  async #export(): Promise<void> {
    const id = this.#chat?.conversationId ?? "";
    await this.#attempt(async () => {
      const url = URL.createObjectURL(await this.#api.export(id));
      el("a", { href: url, download: `conversation-${id}.json` }).click();
      URL.revokeObjectURL(url);
    });
  }

  #named(title: string): void {
    this.#title.textContent = title || "New question";
    this.#actions.hidden = !title;
    document.title = title ? `${title} · ${TITLE}` : TITLE;
  }

  get #sidebarShown(): boolean {
    return document.body.classList.contains("sidebar-shown");
  }

  #showSidebar(shown: boolean): void {
    document.body.classList.toggle("sidebar-shown", shown);
    this.#menu.setAttribute("aria-expanded", String(shown));
  }

  #say(problem: string): void {
    this.#problem.textContent = problem;
    this.#problem.hidden = !problem;
  }

  async #attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (failure) {
      this.#say((failure as Error).message);
    }
  }
}

void organizations().then((all) => new Page(all).start());
