// Files made on the page, saved by the browser.
import { el } from "./dom";

/** Save text or bytes under a name that every system takes. */
export function save(name: string, content: string | Blob, type = ""): void {
  const url = URL.createObjectURL(typeof content === "string" ? new Blob([content], { type: `${type};charset=utf-8` }) : content);
  el("a", { href: url, download: named(name) }).click();
  // The browser reads it after this returns.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function named(name: string): string {
  return name.replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[-.]+/, "") || "file";
}
