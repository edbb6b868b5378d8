import { canonicalJson, digestOf } from "../../../../shared/base/digest.ts";
import type { IfMatch, IfMatchOrNew } from "../../../app/deployments/if-match.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import { invalidFields } from "../../../../shared/base/invalid-fields.ts";
import type { RequestFacts } from "../server/route.ts";

/**
 * An object's ETag is the version of its row: it changes with what was declared, not with the status beside it.
 */
export const etagOf = (rowVersion: number): string => `"${rowVersion}"`;

/** For objects without a row version: a digest of what the answer says. */
export const contentEtag = (value: unknown): string => `"${digestOf(canonicalJson(value)).slice(7, 39)}"`;

/** The row version that the caller saw. Throws `INVALID_REQUEST` for what is no ETag of ours: ignoring it would drop the condition. */
export function ifMatchOf({ header }: Pick<RequestFacts, "header">): IfMatch {
  const text = header("if-match")?.trim();
  if (text === undefined) return undefined;
  if (text === "*") return "exists";
  const [, version] = /^"([0-9]{1,10})"$/.exec(text) ?? [];
  if (version === undefined) {
    throw invalidFields("header", [
      { field: "If-Match", message: 'must be one ETag as it was received, e.g. `"3"`, or `*`' },
    ]);
  }
  return Number(version);
}

/** As `ifMatchOf`, for a request that may create: null for `If-None-Match: *`, which says that it must be new. */
export function ifMatchOrNewOf({ header }: Pick<RequestFacts, "header">): IfMatchOrNew {
  const text = header("if-none-match")?.trim();
  if (text === undefined) return ifMatchOf({ header });
  if (text === "*" && header("if-match") === undefined) return null;
  throw invalidFields("header", [{ field: "If-None-Match", message: "must be `*`, without `If-Match` beside it" }]);
}

/** For objects without a row version. Throws `STALE_ETAG` when `current` is not what the caller saw. */
export function checkContent({ header }: Pick<RequestFacts, "header">, current: unknown, object: string): void {
  const text = header("if-match")?.trim();
  if (text === undefined || text === "*" || text === contentEtag(current)) return;
  throw new SkerryError("STALE_ETAG", `${object} was changed since it was read`);
}
