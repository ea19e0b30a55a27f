// Formats amounts, times and names.

const DECIMALS = 7;
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const UNITS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

export const day = (at) => DAY.format(new Date(at));
export const time = (at) => TIME.format(new Date(at));
export const clock = (at) => CLOCK.format(new Date(at));

/** Format a duration: 3 days, 2 minutes. */
export function duration(seconds) {
  const [name, size] = UNITS.find(([, size]) => seconds >= size) ?? UNITS.at(-1);
  const count = Math.round(seconds / size);
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}

export const ago = (at) => `${duration(Math.max(0, (Date.now() - new Date(at)) / 1000))} ago`;

/** Format an amount with separators for thousands; all decimals are kept. */
export function money(text) {
  const [, sign, whole, rest] = /^([+-]?)(\d+)(\.\d+)?$/.exec(text) ?? [];
  if (whole === undefined) return String(text);
  const groups = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return `${sign.replace("-", "−")}${groups}${rest ?? ""}`;
}

/** Parse an amount as a whole number of minor units; null: it is not an amount. */
export function units(text) {
  const match = /^(\d{1,15})(?:\.(\d{1,7}))?$/.exec(String(text).trim());
  if (!match) return null;
  return BigInt(match[1] + (match[2] ?? "").padEnd(DECIMALS, "0"));
}

/** Format minor units as an amount with at least two decimals. */
export function fromUnits(count) {
  const digits = String(count).padStart(DECIMALS + 1, "0");
  const rest = digits.slice(-DECIMALS).replace(/0{1,5}$/, "");
  return `${digits.slice(0, -DECIMALS)}.${rest}`;
}

/** ESCROW_FUNDED → Escrow funded; balance.credited → Balance credited. */
export function words(name) {
  const text = String(name ?? "").replaceAll(/[_.]/g, " ").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export const short = (id) => (id.length > 22 ? `${id.slice(0, 10)}…${id.slice(-6)}` : id);

const TONES = {
  good: "RELEASED CLOSED COMPLETED DELIVERED RESOLVED ACTIVE SUCCEEDED ENABLED OK HEALTHY UP FUNDED RIGHT HOLDS AGREES",
  busy: `FUNDS_RESERVED ESCROW_CREATING ESCROW_FUNDING ESCROW_FUNDED IN_PROGRESS
    RELEASE_REQUESTED REFUND_REQUESTED PENDING RUNNING UNDER_REVIEW CREATING FUNDING`,
  warn: "NOT_CHECKED_YET DISPUTED AWAITING_APPROVAL OPEN SPLIT DEGRADED",
  bad: "OVERDUE FAILED DISABLED REVOKED UNAVAILABLE DOWN UNHEALTHY ERROR WRONG BROKEN DIFFERS",
};
const TONE = Object.fromEntries(
  Object.entries(TONES).flatMap(([tone, names]) => names.split(/\s+/).map((one) => [one, tone])),
);

/** Return the tone of a status: good, busy, warn, bad, or plain. */
export const tone = (status) => TONE[String(status).toUpperCase()] ?? "plain";
