import { SkerryError, isSkerryError, messageOf } from "../../../shared/base/errors.ts";

/** A transaction that found the rows changed under its hands and is worth repeating as a whole. */
export class RetryTransaction extends Error {}

/** SQLSTATE classes: connection, insufficient resources, operator intervention. */
const UNAVAILABLE_CLASSES = ["08", "53", "57"];
/** lock_timeout, idle_in_transaction_session_timeout, a standby that is not (or no longer) the primary. */
const UNAVAILABLE_STATES = new Set(["55P03", "25P03", "25006"]);
const DISK_FULL = "53100";
/** Serialization failure and deadlock. */
const RETRYABLE_STATES = new Set(["40001", "40P01"]);
/** Prisma: server not reached, reached too late, closed the connection, no connection in time, transaction not begun or over time. */
const UNAVAILABLE_PRISMA = new Set(["P1001", "P1002", "P1008", "P1011", "P1017", "P2024", "P2028"]);
const UNAVAILABLE_KINDS = new Set([
  "DatabaseNotReachable",
  "ConnectionClosed",
  "SocketTimeout",
  "TooManyConnections",
  "TlsConnectionError",
  "AuthenticationFailed",
  "DatabaseAccessDenied",
  "DatabaseDoesNotExist",
]);
/** What `pg` says without a code, and we when our patience ends. */
const UNAVAILABLE_TEXT =
  /^(no answer within|Connection (terminated|ended)|timeout exceeded when trying to connect|Client (has encountered|was closed)|Cannot use a pool)/;

export type FailureKind = "retryable" | "unavailable" | "disk-full" | "other";

/** What a failure of Prisma, its adapter or `pg` means for the caller. */
export function kindOf(error: unknown): FailureKind {
  if (error instanceof RetryTransaction) return "retryable";
  if (!isRecord(error) || isSkerryError(error)) return "other";
  const { state, kind } = driverFailure(error);
  if (RETRYABLE_STATES.has(state) || error["code"] === "P2034") return "retryable";
  if (state === DISK_FULL) return "disk-full";
  if (UNAVAILABLE_STATES.has(state) || UNAVAILABLE_KINDS.has(kind)) return "unavailable";
  if (state.length === 5 && UNAVAILABLE_CLASSES.includes(state.slice(0, 2))) return "unavailable";
  if (typeof error["code"] === "string" && UNAVAILABLE_PRISMA.has(error["code"])) return "unavailable";
  // A socket's own failure (EPIPE, EHOSTUNREACH) passes the adapter as it is.
  if (typeof error["syscall"] === "string" || UNAVAILABLE_TEXT.test(messageOf(error))) return "unavailable";
  return "other";
}

export function unavailable(cause: unknown): SkerryError {
  return new SkerryError("DATABASE_UNAVAILABLE", `PostgreSQL does not answer: ${lastLine(messageOf(cause))}`, {
    retryAfterMs: 2_000,
    cause,
  });
}

export function storageFull(cause: unknown): SkerryError {
  return new SkerryError("STORAGE_FULL", "the disk of the database is full: free space there", {
    retryAfterMs: 10_000,
    cause,
  });
}

/** SQLSTATE and the adapter's name for it, from wherever Prisma put them; empty when there are none. */
function driverFailure(error: Record<string, unknown>): { state: string; kind: string } {
  const meta = error["meta"];
  const wrapped = isRecord(meta) && isRecord(meta["driverAdapterError"]) ? meta["driverAdapterError"] : error;
  const cause = isRecord(wrapped["cause"]) ? wrapped["cause"] : wrapped;
  const state = cause["originalCode"] ?? cause["code"];
  return {
    state: typeof state === "string" ? state : "",
    kind: typeof cause["kind"] === "string" ? cause["kind"] : "",
  };
}

/** Prisma's messages quote the call first; what happened is their last line. */
const lastLine = (message: string): string => message.trim().split("\n").at(-1)?.trim() ?? message;

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
