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
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "CERT_SIGNATURE_FAILURE":
      return new CliFailure(EXIT.error, {
        what: `nobody vouches for the server at ${server}`,
        why: [`${code}: ${reasonOf(error)}`],
        fix: "name its authority's file with `--ca`, or log in with `--pin`; if you did, somebody else answers at this address",
        notes,
      });
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return new CliFailure(EXIT.error, {
        what: `the certificate of the server is not for the name in ${server}`,
        why: [reasonOf(error)],
        fix: "use the name that the certificate is for, or let SKERRY_PUBLIC_URL of the control plane name this one",
        notes,
      });
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return new CliFailure(EXIT.error, {
        what: `the certificate of the server at ${server} is not valid now`,
        why: [`${code}: ${reasonOf(error)}`],
        fix: "check this machine's clock; if it is right, the certificate has to be renewed",
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
