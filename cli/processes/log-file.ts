import { closeSync, openSync, readSync, renameSync, statSync } from "node:fs";

/** A log larger than this is set aside when its program starts. */
const MAX_BYTES = 16 * 1024 * 1024;
/** How much of a log's end is looked at. */
const TAIL_BYTES = 32 * 1024;

/** Opens a log for appending. The program writes into it itself: nothing is lost when the supervisor ends first. */
export function openLog(path: string): number {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > MAX_BYTES) renameSync(path, `${path}.1`);
  return openSync(path, "a", 0o600);
}

/** The last lines of a log, as a person reads them; none when there is no log. */
export function lastLines(path: string, lines: number): readonly string[] {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return [];
  }
  try {
    const size = statSync(path).size;
    const length = Math.min(size, TAIL_BYTES);
    const tail = Buffer.alloc(length);
    readSync(file, tail, 0, length, size - length);
    const all = tail.toString("utf8").trimEnd().split("\n");
    // The log says where in the code it happened; here only what happened is needed.
    return all
      .filter((line) => line !== "" && !/^\s+at /.test(line))
      .slice(-lines)
      .map(readableLine);
  } finally {
    closeSync(file);
  }
}

const LEVELS: Readonly<Record<string, string>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};

/** A line of pino's as `warn: message (cause)`; any other line as it is. */
export function readableLine(line: string): string {
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch {
    return line;
  }
  if (typeof entry !== "object" || entry === null || !("msg" in entry) || typeof entry.msg !== "string") return line;
  const level = "level" in entry ? (LEVELS[String(entry.level)] ?? String(entry.level)) : "info";
  const cause = causeOf(entry);
  return `${level}: ${entry.msg}${cause === "" || entry.msg.includes(cause) ? "" : ` (${cause})`}`;
}

/** The programs log an error whole as `err`, or its message alone as `error`. */
function causeOf(entry: object): string {
  if ("err" in entry && typeof entry.err === "object" && entry.err !== null && "message" in entry.err)
    return String(entry.err.message);
  return "error" in entry && typeof entry.error === "string" ? entry.error : "";
}
