// Questions that interrupt: another title, whether to delete, and what a person is wanted for.
import { button, el } from "./dom";

/** Ask for a title; null when it was left as it is. */
export function askForTitle(title: string): Promise<string | null> {
  const input = el("input", { type: "text", value: title, maxlength: 100, required: true, id: "new-title" });
  return asked(
    "Rename conversation",
    [el("label", { for: "new-title" }, "Title"), input],
    "Rename",
    () => input.value.trim() || null,
  );
}

/** Ask whether to delete. */
export async function askToDelete(title: string, what = "conversation"): Promise<boolean> {
  const said = await asked(`Delete ${what}?`, [el("p", {}, `“${title}” will be gone for good.`)], "Delete", () => "yes");
  return said !== null;
}

/** Ask what a person is wanted for; null when nobody is asked. */
export function askForPerson(): Promise<string | null> {
  const input = el("input", { type: "text", maxlength: 1000, id: "escalation-reason", placeholder: "In a sentence, if you like" });
  return asked(
    "Ask a person for help?",
    [
      el("p", {}, "People of your organisation are sent a message with a link to this conversation."),
      el("label", { for: "escalation-reason" }, "What do you need?"),
      input,
    ],
    "Ask a person",
    () => input.value.trim(),
  );
}

function asked(title: string, body: Node[], action: string, read: () => string | null): Promise<string | null> {
  return new Promise((resolve) => {
    let answer: string | null = null;
    const form = el(
      "form",
      { method: "dialog" },
      el("h2", { id: "dialog-title" }, title),
      ...body,
      el(
        "div",
        { class: "row end" },
        button("Cancel", () => dialog.close()),
        el("button", { type: "submit", class: action === "Delete" ? "danger" : "primary" }, action),
      ),
    );
    const dialog = el("dialog", { "aria-labelledby": "dialog-title" }, form);
    form.addEventListener("submit", () => {
      answer = read();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    dialog.querySelector("input")?.select();
  });
}
