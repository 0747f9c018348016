// What a person thinks of an answer: a thumb, and where they like, why.
import { button, el, iconButton } from "./dom";
import type { Opinion, Rating } from "./contract";

const REASONS: Record<Rating, string[]> = {
  up: ["Right figures", "Clear", "Fast"],
  down: ["Wrong figures", "Not what I asked", "Too slow"],
};
const COMMENT_CHARS = 2000;

export class Feedback {
  readonly #thumbs: Record<Rating, HTMLButtonElement>;
  readonly #form = el("div", { class: "opinion", hidden: true });
  readonly buttons: HTMLButtonElement[];
  readonly form = this.#form;

  constructor(readonly give: (opinion: Opinion) => Promise<void>) {
    this.#thumbs = {
      up: iconButton("up", "Good answer", () => this.#rate("up"), { "aria-pressed": "false" }),
      down: iconButton("down", "Bad answer", () => this.#rate("down"), { "aria-pressed": "false" }),
    };
    this.buttons = [this.#thumbs.up, this.#thumbs.down];
  }

  show(rating: Rating): void {
    for (const [name, thumb] of Object.entries(this.#thumbs)) {
      thumb.setAttribute("aria-pressed", String(name === rating));
    }
  }

  #rate(rating: Rating): void {
    this.show(rating);
    void this.#store({ rating });
    this.#ask(rating);
  }

  #ask(rating: Rating): void {
    const comment = el("input", { type: "text", maxlength: COMMENT_CHARS, placeholder: "Say more", "aria-label": "Say more" });
    const send = (reason?: string) => {
      const said = comment.value.trim();
      const opinion: Opinion = { rating, ...(reason && { reason }), ...(said && { comment: said }) };
      void this.#store(opinion).then((stored) => stored && this.#thank());
    };
    comment.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        send();
      }
    });
    const reasons = REASONS[rating].map((reason) => button(reason, () => send(reason), { class: "chip" }));
    this.#form.hidden = false;
    this.#form.replaceChildren(el("span", {}, "Why?"), ...reasons, comment, button("Send", () => send(), { class: "quiet" }));
  }

  #thank(): void {
    this.#form.replaceChildren(el("span", { role: "status" }, "Thank you."));
  }

  async #store(opinion: Opinion): Promise<boolean> {
    try {
      await this.give(opinion);
      return true;
    } catch (failure) {
      this.#form.hidden = false;
      this.#form.replaceChildren(el("span", { role: "alert", class: "problem" }, (failure as Error).message));
      return false;
    }
  }
}
