// Light and dark: as the system has it, until somebody says otherwise.
import { iconButton } from "./dom";

type Theme = "light" | "dark";
const KEY = "playground.theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function current(): Theme {
  const chosen = localStorage.getItem(KEY);
  return chosen === "light" || chosen === "dark" ? chosen : system.matches ? "dark" : "light";
}

function apply(): void {
  document.documentElement.dataset["theme"] = current();
  listeners.forEach((tell) => tell());
}

/** Call back when the theme changes; returns what ends that. */
export function onThemeChange(tell: () => void): () => void {
  listeners.add(tell);
  return () => listeners.delete(tell);
}

export function themeToggle(): HTMLButtonElement {
  apply();
  system.addEventListener("change", apply);
  const next = () => (current() === "dark" ? "light" : "dark");
  const toggle = iconButton("sun", "Switch between light and dark", () => {
    localStorage.setItem(KEY, next());
    apply();
  });
  return toggle;
}
