/** What a script may read from `$?`. Taken from the final state: a warning on the way changes nothing. */
export const EXIT = {
  ok: 0,
  error: 1,
  /** Cannot be placed, or a wait ended before its condition was met. */
  unmet: 2,
  /** `plan` found changes. */
  changes: 3,
  notAllowed: 4,
  notFound: 5,
  conflict: 6,
  usage: 64,
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const UNPLACEABLE = new Set(["NO_ELIGIBLE_NODE", "RESIDENCY_UNSATISFIABLE"]);

/** The exit code for an error answer of the API. */
export function exitCodeOfResponse(status: number, code: string): ExitCode {
  if (UNPLACEABLE.has(code)) return EXIT.unmet;
  if (status === 401 || status === 403) return EXIT.notAllowed;
  if (status === 404) return EXIT.notFound;
  if (status === 409 || status === 412 || status === 428 || code === "IDEMPOTENCY_MISMATCH") return EXIT.conflict;
  return EXIT.error;
}
