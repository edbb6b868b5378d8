import type { IncomingMessage } from "node:http";
import type { Clock } from "../../../../shared/base/clock.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import { jsonComplaint } from "../rest/json-guard.ts";
import type { Limits } from "./limits.ts";
import { invalidFields } from "./problem.ts";
import { readBody } from "./read-body.ts";

/**
 * The body as JSON; `{}` when there is none at all. Throws `UNSUPPORTED_MEDIA_TYPE`, `TOO_LARGE`, `INVALID_REQUEST`.
 * Nothing is ever inflated: 1 KiB of gzip can be 1 MiB of text. `mayBeUntyped`: a body without a type is JSON, too.
 */
export async function readJson(
  request: IncomingMessage,
  { limits, clock, mayBeUntyped }: { limits: Limits; clock: Clock; mayBeUntyped: boolean },
): Promise<unknown> {
  refuseEncoding(request);
  const type = mediaType(request);
  if (hasBody(request) && type !== "application/json" && !(mayBeUntyped && type === "")) {
    throw new SkerryError(
      "UNSUPPORTED_MEDIA_TYPE",
      `the body is ${type === "" ? "of no stated type" : type}; this path takes application/json`,
    );
  }
  const { pieces, length } = await readBody(request, { maxBytes: limits.jsonBytes, withinMs: limits.bodyMs, clock });
  if (length === 0) return {};
  const text = Buffer.concat(pieces, length).toString("utf8");
  const complaint = jsonComplaint(text, limits.jsonDepth);
  if (complaint !== undefined) throw invalidFields("body", [{ field: "", message: complaint }]);
  try {
    return JSON.parse(text);
  } catch {
    throw invalidFields("body", [{ field: "", message: "is not valid JSON" }]);
  }
}

/** Throws `UNSUPPORTED_MEDIA_TYPE` for a compressed body. */
export function refuseEncoding(request: IncomingMessage): void {
  const encoding = request.headers["content-encoding"];
  if (encoding === undefined || encoding === "identity") return;
  throw new SkerryError(
    "UNSUPPORTED_MEDIA_TYPE",
    `the body is encoded as ${encoding.slice(0, 32)}; send it without Content-Encoding`,
  );
}

/** Without parameters, in lower case; empty when none was sent. */
const mediaType = (request: IncomingMessage): string =>
  (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
