import type { DeploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import { invalidFields } from "../../../shared/base/invalid-fields.ts";
import { versionOf } from "../../core/fleet/queries.ts";
import { aliasKey, type Fleet } from "../../core/fleet/types.ts";
import { lacksVariant } from "../../core/fleet/versions/variants.ts";

/**
 * Throws `INVALID_REQUEST` when a variant is pinned that the version has not. A version that is not known or not checked yet, or
 * that an alias names later, is judged when it is placed.
 */
export function refuseMissingVariant(fleet: Fleet, spec: DeploymentSpec): void {
  const { model, version } = spec;
  const number = typeof version === "number" ? version : fleet.aliases.get(aliasKey(model, version));
  const found = number === undefined ? undefined : versionOf(fleet, model, number);
  const why = found && lacksVariant(found, spec);
  if (why !== undefined) throw invalidFields("body", [{ field: "variant", message: why }]);
}
