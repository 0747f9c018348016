// A question on the page; edited, it goes on in a branch, and what was said after it stays where it is.
import { button, el, iconButton } from "./dom";

const MOST_CHARS = 10_000;

/** A question; ``edit`` is told its other wording. */
export function askedQuestion(question: string, messageId: string | null, edit: (question: string) => void): HTMLElement {
  const text = el("span", {}, question);
  const article = el("article", { class: "question", "aria-label": "You asked", "data-message-id": messageId }, text);
  const start = iconButton("edit", "Edit question", () => {
    article.replaceChildren(editor(question, (said) => {
      article.replaceChildren(text, start);
      if (said !== null && said !== question) {
        edit(said);
      } else {
        start.focus();
      }
    }));
    article.querySelector("textarea")?.focus();
  });
  article.append(start);
  return article;
}

/** What a question is written anew in. */
function editor(question: string, done: (said: string | null) => void): HTMLFormElement {
  const text = el("textarea", { rows: 3, maxlength: MOST_CHARS, "aria-label": "Edited question" });
  text.value = question;
  const form = el(
    "form",
    { class: "editor" },
    text,
    el("p", { class: "note" }, "Goes on in a new conversation. This one stays as it is."),
    el("div", { class: "row end" }, button("Cancel", () => done(null)), el("button", { type: "submit", class: "primary" }, "Ask in a branch")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    done(text.value.trim() || null);
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      done(null);
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  return form;
}
