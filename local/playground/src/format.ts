// Figures as people read them.

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const SMALL = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const WHEN = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

export function bytes(count: number): string {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]] as const) {
    if (count >= size) {
      return `${(count / size).toFixed(1)} ${unit}`;
    }
  }
  return `${count} bytes`;
}

export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(2)} s`;
}

export function count(amount: number, noun: string): string {
  return `${NUMBER.format(amount)} ${noun}${amount === 1 ? "" : "s"}`;
}

export function ago(time: string): string {
  const passed = (Date.now() - Date.parse(time)) / 1000;
  const found = UNITS.find(([, size]) => passed >= size);
  return found ? WHEN.format(-Math.floor(passed / found[1]), found[0]) : "just now";
}

/** One value of a row; what is missing is a dash. */
export function value(cell: unknown): string {
  if (typeof cell === "number") {
    return figure(cell);
  }
  if (cell === null || cell === undefined) {
    return "–";
  }
  if (Array.isArray(cell) && cell.every((each) => typeof each !== "object")) {
    return cell.map(value).join(", ");
  }
  return typeof cell === "object" ? JSON.stringify(cell) : String(cell);
}

/** A number with separators and at most two decimals; a small one keeps what says something. */
export function figure(amount: number): string {
  return amount !== 0 && Math.abs(amount) < 0.01 ? SMALL.format(amount) : NUMBER.format(amount);
}

/** An amount with as many decimals as its currency has; less than its smallest coin keeps three digits. */
export function money(amount: number, currency: string): string {
  const digits = decimals(currency);
  if (amount !== 0 && Math.abs(amount) < 10 ** -digits) {
    return SMALL.format(amount);
  }
  return new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(amount);
}

function decimals(currency: string): number {
  try {
    return new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits ?? 2;
  } catch {
    // Not a code of three letters: whatever it is, it has no decimals of its own.
    return 2;
  }
}
