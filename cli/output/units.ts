/** `4s`, `12m`, `3h20m`, `5d`: how old something is, at a glance. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 10) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`;
}

/** `860 B`, `847 KiB`, `1.2 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 10 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Time since an RFC 3339 instant. `now`: milliseconds since 1970. */
export function formatSince(instant: string, now: number): string {
  const at = Date.parse(instant);
  return Number.isNaN(at) ? instant : formatAge(now - at);
}

const UNIT_MS = new Map([
  ["ms", 1],
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

/** Milliseconds of `500ms`, `30s`, `2m`, `1h`, `7d`, or of a plain number of seconds; null when it is none of these. */
export function parseDuration(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text.trim());
  const unitMs = UNIT_MS.get(match?.[2] ?? "s");
  return match === null || unitMs === undefined ? null : Math.round(Number(match[1]) * unitMs);
}

/** `43 % of 1.2 GiB`: how far bytes have come. */
export const formatProgress = ({ done, total }: { readonly done: number; readonly total: number }): string =>
  `${Math.floor((100 * done) / total)} % of ${formatBytes(total)}`;

/** `1 node`, `2 nodes`. */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number} ${number === 1 ? noun : plural}`;
}

/** `135 M`, `1.7 B`: parameters as people say them. */
export function formatCount(count: number): string {
  const [divisor, unit] = count >= 1e9 ? [1e9, "B"] : count >= 1e6 ? [1e6, "M"] : [1e3, "K"];
  return `${(count / divisor).toPrecision(3).replace(/\.?0+$/, "")} ${unit}`;
}

/** The process that a placement runs in: a shared one by name, or its own; empty while it has none. */
export const hostText = ({ host, state }: { readonly host: string | null; readonly state: string }): string =>
  host ?? (state === "ready" ? "own" : "");
