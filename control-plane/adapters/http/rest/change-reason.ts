import { z } from "zod";
import { invalidFields } from "../../../../shared/base/invalid-fields.ts";
import type { Route } from "../server/route.ts";

const MAX_REASON = 500;

/** Why somebody does it: a parameter of every change, which goes into its audit entry. */
export const changeReason = z.string().min(1).max(MAX_REASON).optional().describe("Why: it goes into the audit entry.");

/** Whether the route changes something for a caller, and may be told why. A question may be a POST too. */
export const takesReason = ({ method, path, access, takesBytes }: Route): boolean =>
  method !== "GET" &&
  method !== "HEAD" &&
  access !== "public" &&
  !access.endsWith(".read") &&
  !takesBytes &&
  path.startsWith("/api/v1/");

/** The reason apart from the route's own parameters. Throws `INVALID_REQUEST`. */
export function splitReason(query: Readonly<Record<string, string>>): {
  readonly reason: string | undefined;
  readonly others: Readonly<Record<string, string>>;
} {
  const { reason, ...others } = query;
  if (changeReason.safeParse(reason).success) return { reason, others };
  throw invalidFields("query", [{ field: "reason", message: `must have 1–${MAX_REASON} characters` }]);
}
