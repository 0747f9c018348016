// Where a question is written: Enter sends, Shift+Enter starts a line, arrow-up recalls, Esc stops the answer.
import { el, icon } from "./dom";
import { count } from "./format";

const MOST_CHARS = 10_000;
const COUNTED_FROM = 8_000;

export class Composer {
  readonly #text = el("textarea", {
    rows: 1,
    placeholder: "Ask about your cloud costs",
    "aria-label": "Your question",
    "aria-describedby": "composer-hint composer-count",
  });
  readonly #send = el("button", { type: "submit", class: "send primary", "aria-label": "Send", title: "Send" }, icon("send"));
  readonly #stop = el("button", { type: "button", class: "stop", hidden: true }, "Stop");
  readonly #count = el("p", { id: "composer-count", class: "hint count", role: "status", hidden: true });
  readonly element = el(
    "form",
    { class: "composer" },
    el("div", { class: "field" }, this.#text, this.#stop, this.#send),
    this.#count,
    el(
      "p",
      { id: "composer-hint", class: "hint" },
      "Enter sends · Shift+Enter new line · ↑ earlier questions · Esc stops · Ctrl/Cmd+K finds",
    ),
  );
  #busy = false;
  #asked: string[] = [];
  // How far back the person has gone in what was asked; 0 is what they were writing.
  #back = 0;
  #draft = "";

  constructor(send: (question: string) => void, stop: () => void) {
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      const question = this.#text.value.trim();
      if (question && question.length <= MOST_CHARS && !this.#busy) {
        this.#write("");
        this.#back = 0;
        send(question);
      }
    });
    this.#text.addEventListener("input", () => {
      this.#back = 0;
      this.#fit();
    });
    this.#text.addEventListener("keydown", (event) => this.#press(event));
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

  /** What arrow-up brings back, the latest last. */
  set asked(questions: string[]) {
    this.#asked = questions.filter((each, index) => each !== questions[index + 1]);
    this.#back = 0;
  }

  focus(): void {
    this.#text.focus({ preventScroll: true });
  }

  #press(event: KeyboardEvent): void {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.element.requestSubmit();
    } else if (event.key === "ArrowUp" && this.#recalls() && this.#back < this.#asked.length) {
      event.preventDefault();
      this.#recall(this.#back + 1);
    } else if (event.key === "ArrowDown" && this.#back > 0 && this.#recalls()) {
      event.preventDefault();
      this.#recall(this.#back - 1);
    }
  }

  /** Whether an arrow moves in what was asked: in a text of several lines being written it moves the cursor. */
  #recalls(): boolean {
    return this.#back > 0 || this.#text.value === "";
  }

  #recall(back: number): void {
    if (this.#back === 0) {
      this.#draft = this.#text.value;
    }
    this.#back = back;
    this.#write(back === 0 ? this.#draft : (this.#asked.at(-back) ?? ""));
  }

  #write(text: string): void {
    this.#text.value = text;
    this.#fit();
    this.#text.setSelectionRange(text.length, text.length);
  }

  #fit(): void {
    this.#text.style.height = "auto";
    this.#text.style.height = `${Math.min(this.#text.scrollHeight, 200)}px`;
    this.#measure(this.#text.value.trim().length);
  }

  /** Count what is long; what is too long is not sent, and not cut either. */
  #measure(length: number): void {
    const left = MOST_CHARS - length;
    this.#count.hidden = length < COUNTED_FROM;
    this.#count.classList.toggle("over", left < 0);
    this.#count.textContent =
      left < 0
        ? `${count(-left, "character")} too many: a question has at most ${MOST_CHARS.toLocaleString("en")}.`
        : `${length.toLocaleString("en")} of ${MOST_CHARS.toLocaleString("en")} characters`;
    this.#send.disabled = left < 0;
  }
}
