// The organisation's documents: what there is and what became of it, for everybody; upload and delete for administrators.
import { ApiError, type Api } from "./api";
import { askToDelete } from "./dialogs";
import { button, el, iconButton } from "./dom";
import { ago, bytes, count } from "./format";
import type { Caller, DocumentEntry } from "./contract";

const POLL = 1000;
const KINDS = ".pdf,.docx,.txt,.md,.markdown,.html,.htm,.csv";
const MOST_BYTES = 100 * 1024 ** 2;
const REASONS: Record<string, string> = {
  no_text: "there is no text in it; a scanned document has to be recognised first",
  encrypted: "it is protected by a password",
  too_large: "it is too large",
  not_supported: "it is none of PDF, DOCX, TXT, Markdown, HTML and CSV",
  broken: "it is damaged",
  not_uploaded: "its bytes never arrived",
  not_as_announced: "its bytes are others than were announced",
};

const WAITS: Record<string, string> = {
  embedding_unavailable: "waits for the embedding model, which does not answer",
  cost_ceiling: "waits: what models may use here is used up",
};

/** Show the documents of an organisation in a dialog, until it is closed. */
export function showDocuments(api: Api, caller: Caller): void {
  const shown = new Documents(api, caller.permissions.includes("settings:write"));
  const dialog = el(
    "dialog",
    { "aria-labelledby": "documents-title", class: "wide" },
    el("h2", { id: "documents-title" }, `Documents of ${api.organization.name}`),
    el("p", { class: "note" }, "Answers about policies, contracts and runbooks are taken from these, with their sources."),
    shown.element,
    el("div", { class: "row end" }, button("Close", () => dialog.close(), { class: "primary" })),
  );
  dialog.addEventListener("close", () => {
    shown.close();
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
  void shown.refresh();
}

class Documents {
  readonly #list = el("ul", { class: "documents", "aria-label": "Documents" });
  readonly #uploads = el("ul", { class: "documents", "aria-label": "Uploads", "aria-live": "polite" });
  readonly #said = el("p", { class: "note", role: "status" }, "Loading …");
  readonly element = el("div", { class: "usage" });
  /** The names of the files on their way from here. */
  readonly #uploading = new Set<string>();
  #timer = 0;
  #closed = false;

  constructor(
    readonly api: Api,
    readonly mayWrite: boolean,
  ) {
    this.element.append(...(mayWrite ? [this.#drop(), this.#uploads] : []), this.#said, this.#list);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** Read the list anew, and again while something is under way. */
  async refresh(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      const documents = await this.api.documents();
      if (this.#closed) {
        return;
      }
      const focused = document.activeElement?.closest<HTMLElement>("[data-id]")?.dataset["id"];
      // One that is on its way from here has its line among the uploads.
      const listed = documents.filter((each) => each.state !== "waiting" || !this.#uploading.has(each.name));
      this.#list.replaceChildren(...listed.map((each) => this.#line(each)));
      this.#list.querySelector<HTMLElement>(`[data-id="${focused}"] button`)?.focus();
      this.#said.textContent = documents.length ? "" : this.#nothing();
      if (documents.some((each) => each.state === "processing" || each.state === "waiting" || each.reindexing)) {
        this.#timer = window.setTimeout(() => void this.refresh(), POLL);
      }
    } catch (failure) {
      this.#said.textContent = (failure as Error).message;
    }
  }

  #nothing(): string {
    return `There is no document yet. ${this.mayWrite ? "Drop a policy, a contract or a runbook above." : "An administrator can add some."}`;
  }

  #drop(): HTMLElement {
    const input = el("input", { type: "file", multiple: true, accept: KINDS, id: "documents-files", class: "files" });
    input.addEventListener("change", () => {
      this.#take(input.files);
      input.value = "";
    });
    const zone = el(
      "div",
      { class: "drop" },
      el("label", { for: "documents-files" }, "Drop files here, or choose them:"),
      input,
      el("p", { class: "note" }, "PDF, DOCX, TXT, Markdown, HTML or CSV, up to 100 MB each."),
    );
    const over = (is: boolean) => (event: DragEvent) => {
      event.preventDefault();
      zone.classList.toggle("over", is);
    };
    zone.addEventListener("dragenter", over(true));
    zone.addEventListener("dragover", over(true));
    zone.addEventListener("dragleave", over(false));
    zone.addEventListener("drop", (event) => {
      over(false)(event);
      this.#take(event.dataTransfer?.files ?? null);
    });
    return zone;
  }

  #take(files: FileList | null): void {
    for (const file of files ?? []) {
      void this.#upload(file);
    }
  }

  /** Upload one file; its line says how far it is, and goes away once it is in the list. */
  async #upload(file: File): Promise<void> {
    const meter = el("progress", { max: 100, value: 0, "aria-label": `Upload of ${file.name}` });
    const said = el("span", { class: "note" }, "Reading …");
    const line = el("li", {}, el("span", { class: "name" }, file.name), meter, said);
    this.#uploads.append(line);
    this.#uploading.add(file.name);
    try {
      if (file.size > MOST_BYTES) {
        throw new ApiError("It is larger than 100 MB. Split it, or leave pictures out.");
      }
      await this.api.upload(file, (share) => {
        meter.value = Math.round(share * 100);
        said.textContent = share < 1 ? `${meter.value} % of ${bytes(file.size)}` : "Uploaded.";
      });
      line.remove();
    } catch (failure) {
      meter.remove();
      said.className = "problem";
      said.textContent = (failure as Error).message;
      line.append(button("Dismiss", () => line.remove(), { class: "quiet" }));
    }
    this.#uploading.delete(file.name);
    await this.refresh();
  }

  #line(each: DocumentEntry): HTMLElement {
    const remove = iconButton("trash", `Delete ${each.name}`, () => void this.#delete(each));
    return el(
      "li",
      { "data-id": each.document_id, "data-state": each.state },
      el("span", { class: "name" }, each.name),
      each.state === "processing" && el("progress", { "aria-label": `${each.name} is being read` }),
      el("span", { class: each.state === "failed" ? "problem" : "note" }, state(each)),
      this.mayWrite && remove,
    );
  }

  async #delete(each: DocumentEntry): Promise<void> {
    if (!(await askToDelete(each.name, "document"))) {
      return;
    }
    try {
      await this.api.deleteDocument(each.document_id);
    } catch (failure) {
      this.#said.textContent = (failure as Error).message;
      return;
    }
    await this.refresh();
  }
}

/** What has become of a document, in words. */
function state(each: DocumentEntry): string {
  switch (each.state) {
    case "waiting":
      return "waits for its bytes";
    case "processing":
      return WAITS[each.reason ?? ""] ?? "is being read …";
    case "failed":
      return `cannot be read: ${REASONS[each.reason ?? ""] ?? "its reason is not known"}`;
    default: {
      const facts = [each.pages ? count(each.pages, "page") : "", count(each.passages, "passage"), bytes(each.bytes)];
      // Of two versions under one name, a person sees which is the older one.
      facts.push(`added ${ago(each.created_at)}`);
      return `${each.reindexing ? "is being read anew" : "ready"} · ${facts.filter(Boolean).join(" · ")}`;
    }
  }
}
