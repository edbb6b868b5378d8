import { SkerryError } from "../../../../shared/base/errors.ts";
import type { Caller } from "../../../app/access/api-keys.ts";
import { type Action, rolesOf } from "../../../core/access/actions.ts";
import { decide, type Resource } from "../../../core/access/decide.ts";

interface About {
  /** For the message: `GET /api/v1/nodes`. */
  readonly what: string;
  readonly resource?: Resource | undefined;
  /** The error for an object that does not exist, when it has words of its own there. */
  readonly unknown?: () => SkerryError;
}

/** Throws `FORBIDDEN` for the role, and for an object outside the key's scope what is thrown for one that does not exist. */
export function authorize(caller: Caller, action: Action, { what, resource, unknown }: About): void {
  const decision = decide(caller, action, resource);
  if (decision === "allowed") return;
  if (decision === "hidden" && resource !== undefined)
    throw unknown?.() ?? new SkerryError("NOT_FOUND", `there is no ${resource.kind} ${resource.name}`);
  throw new SkerryError(
    "FORBIDDEN",
    `key ${caller.name} has the role ${caller.role}; ${what} needs ${rolesOf(action).join(" or ")}`,
  );
}
