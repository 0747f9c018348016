// Where a question is written: Enter sends, Shift+Enter starts a line, Esc stops the answer.
import { el, icon } from "./dom";

const MOST_CHARS = 10_000;

export class Composer {
  readonly #text = el("textarea", {
    rows: 1,
    maxlength: MOST_CHARS,
    placeholder: "Ask about your cloud costs",
    "aria-label": "Your question",
    "aria-describedby": "composer-hint",
  });
  readonly #send = el("button", { type: "submit", class: "send primary", "aria-label": "Send", title: "Send" }, icon("send"));
  readonly #stop = el("button", { type: "button", class: "stop", hidden: true }, "Stop");
  readonly element = el(
    "form",
    { class: "composer" },
    el("div", { class: "field" }, this.#text, this.#stop, this.#send),
    el("p", { id: "composer-hint", class: "hint" }, "Enter sends · Shift+Enter new line · Esc stops"),
  );
  #busy = false;

  constructor(send: (question: string) => void, stop: () => void) {
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      const question = this.#text.value.trim();
      if (question && !this.#busy) {
        this.#text.value = "";
        this.#fit();
        send(question);
      }
    });
    this.#text.addEventListener("input", () => this.#fit());
    this.#text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.element.requestSubmit();
      }
    });
    this.#stop.addEventListener("click", stop);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#busy && !document.querySelector("dialog[open]")) {
        stop();
      }
    });
  }

  set busy(busy: boolean) {
    this.#busy = busy;
    this.#stop.hidden = !busy;
    this.#send.hidden = busy;
    if (!busy && (document.activeElement === null || document.activeElement === document.body)) {
      this.focus();
    }
  }

  focus(): void {
    this.#text.focus({ preventScroll: true });
  }

  #fit(): void {
    this.#text.style.height = "auto";
    this.#text.style.height = `${Math.min(this.#text.scrollHeight, 200)}px`;
  }
}
