// A question that was asked back: its choices as buttons. Words of one's own are typed as any message.
import { button, el } from "./dom";

/** The choices of a question in the text of an answer, as the product lists them. */
export function listedChoices(text: string): string[] {
  const lines = text.trimEnd().split("\n");
  const choices: string[] = [];
  for (let line = lines.pop(); line !== undefined; line = lines.pop()) {
    const found = /^\d\. (.+)$/.exec(line);
    if (!found) {
      break;
    }
    choices.unshift(found[1] ?? "");
  }
  return choices;
}

/** A button for each choice; where several may be taken, they are kept down until they are sent. */
export function questionCard(choices: string[], multiple: boolean, answered: (text: string) => void): HTMLElement {
  const taken = new Set<string>();
  const send = button("Answer", () => answered([...taken].join(", ")), { class: "primary" });
  send.disabled = true;
  const buttons = choices.map((choice) => {
    const one = button(choice, () => {
      if (!multiple) {
        answered(choice);
        return;
      }
      taken.has(choice) ? taken.delete(choice) : taken.add(choice);
      one.setAttribute("aria-pressed", String(taken.has(choice)));
      send.disabled = taken.size === 0;
    });
    if (multiple) {
      one.setAttribute("aria-pressed", "false");
    }
    return one;
  });
  return el(
    "div",
    { class: "approval asked", role: "group", "aria-label": "Question" },
    el("div", { class: "row" }, ...buttons, ...(multiple ? [send] : [])),
  );
}
