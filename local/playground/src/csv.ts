// Cells as CSV that a spreadsheet opens and never obeys.

// A cell that begins so is a formula to a spreadsheet; also in the wide forms of East Asian keyboards.
const FORMULA = /^\s*[=+\-@＝＋－＠]|^[\t\r\n]/u;
const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;

/** Lines of cells as a file: UTF-8 that a spreadsheet recognises, lines as RFC 4180 ends them. */
export function csv(lines: unknown[][]): string {
  return `\uFEFF${lines.map((line) => line.map(field).join(",")).join("\r\n")}\r\n`;
}

function field(cell: unknown): string {
  if (cell === null || cell === undefined) {
    return "";
  }
  if (typeof cell === "number" || typeof cell === "boolean") {
    return String(cell);
  }
  const text = typeof cell === "object" ? JSON.stringify(cell) : String(cell);
  const safe = FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** A figure as people read it, without its separators; any other text as it is. */
export function unseparated(text: string): string {
  const plain = text.trim().replace(/^[−–](?=\d)/, "-");
  return /^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$/.test(plain) ? plain.replaceAll(",", "") : plain;
}
