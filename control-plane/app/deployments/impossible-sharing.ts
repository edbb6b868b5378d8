import type { DeploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { versionOf } from "../../core/fleet/queries.ts";
import { aliasKey, type Fleet } from "../../core/fleet/types.ts";
import { whyDedicated } from "../../core/scheduling/needs/isolation.ts";

/**
 * Throws `CANNOT_SHARE_HOST` when a shared host is asked for by a version that may not run in one. A version that is not known
 * or not checked yet, or that an alias names later, is judged when it is placed: then it may have a host of its own.
 */
export function refuseImpossibleSharing(fleet: Fleet, spec: DeploymentSpec): void {
  if (spec.limits.isolation !== "shared") return;
  const { model, version } = spec;
  const number = typeof version === "number" ? version : fleet.aliases.get(aliasKey(model, version));
  const found = number === undefined ? undefined : versionOf(fleet, model, number);
  if (found?.state === "uploading" || found?.state === "checking") return;
  const why = found && whyDedicated(found, spec);
  if (why !== undefined)
    throw new SkerryError("CANNOT_SHARE_HOST", `${spec.name} asks for a shared model host: ${why}`);
}
