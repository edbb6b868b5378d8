import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";

/** Codes of failures in which the request may never have arrived, or its answer got lost on the way. */
const CUT = new Set(["ECONNRESET", "EPIPE", "UND_ERR_SOCKET", "UND_ERR_CLOSED", "ECONNABORTED"]);

/** True when the connection broke in the middle: asking again may help. */
export const isCutConnection = (error: unknown): boolean => CUT.has(networkCodeOf(error));

/** The system's code behind a failed `fetch`, which hides it in `cause`; for several addresses, that of the last. */
function networkCodeOf(error: unknown): string {
  for (let at: unknown = error, depth = 0; Error.isError(at) && depth < 5; depth += 1) {
    if ("code" in at && typeof at.code === "string" && at.code !== "ABORT_ERR") return at.code;
    at = "errors" in at && Array.isArray(at.errors) ? at.errors.at(-1) : at.cause;
  }
  return "";
}

/** A `fetch` that got no answer, in words: which address, why, and what starts a server there. */
export function networkFailure(error: unknown, server: string, source: string): CliFailure {
  const code = networkCodeOf(error);
  const notes = [["address", `${server}, ${source}`]] as const;
  const local = /^https?:\/\/(127\.|localhost|\[::1\])/.test(server);
  switch (code) {
    case "ECONNREFUSED":
      return new CliFailure(EXIT.error, {
        what: `nothing listens at ${server}`,
        why: ["the connection was refused"],
        fix: local
          ? "`npm start` starts a whole Skerry on this machine; `--server` names another address"
          : "check the address and that the control plane is running",
        notes,
      });
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new CliFailure(EXIT.error, {
        what: `the name in ${server} is not known to the resolver`,
        why: [code],
        fix: "check the address with `skerry context`",
        notes,
      });
    case "":
      return new CliFailure(EXIT.error, { what: `no answer from ${server}`, why: [reasonOf(error)], notes });
    default:
      return new CliFailure(
        EXIT.error,
        {
          what: `no answer from ${server}`,
          why: [`${code}: ${reasonOf(error)}`],
          fix: "try again; if it stays, check the network and the server's log",
          notes,
        },
        { cause: error },
      );
  }
}

/** `fetch` itself says only "fetch failed"; the reason is in its cause. */
function reasonOf(error: unknown): string {
  if (!Error.isError(error)) return String(error);
  return Error.isError(error.cause) && error.cause.message !== "" ? error.cause.message : error.message;
}
