// When to try again, counted down.
import { el } from "./dom";
import { count } from "./format";

/** Hold a button back for so many seconds; the text says how long still. */
export function untilNow(held: HTMLButtonElement, seconds: number): HTMLElement {
  const note = el("span", { class: "note" });
  const due = Date.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((due - Date.now()) / 1000);
    held.disabled = left > 0;
    note.textContent = left > 0 ? `in ${left < 120 ? count(left, "second") : count(Math.ceil(left / 60), "minute")}` : "";
    if (left <= 0) {
      clearInterval(timer);
    }
  };
  const timer = setInterval(tick, 1000);
  tick();
  return note;
}
