import type { CallerKey, CallerLimitsOfKey } from "../../../shared/protocol/messages/caller-keys.ts";
import type { FleetPlacement } from "../fleet/types.ts";
import type { GrantedDeployment } from "./decide.ts";

interface Key {
  readonly id: string;
  readonly role: CallerKey["role"];
  readonly models: readonly string[];
  readonly deployments: readonly GrantedDeployment[];
  readonly secretHash: string;
  readonly expiresInMs: number | null;
  readonly limits: CallerLimitsOfKey;
}

type Held = Pick<FleetPlacement, "model" | "deployment">;

/**
 * What of `keys` a node needs that holds `placements`: those of people, and those of applications that may see a model that is
 * there. A caller names a model there and no deployment, so a key for a deployment counts for a model that no other deployment
 * has there.
 */
export function keysForNode<Known extends Key>(
  keys: readonly Known[],
  placements: readonly Held[],
): (CallerKey & { readonly of: Known })[] {
  const held = Map.groupBy(placements, ({ model }) => model);
  const models = [...held.keys()].toSorted();
  return keys.flatMap((key) => {
    const { id, role, secretHash: hash, expiresInMs } = key;
    const seen = role === "application" ? models.filter((model) => sees(key, model, held.get(model) ?? [])) : null;
    if (seen?.length === 0) return [];
    return [{ id, hash, role, models: seen, expiresInMs, ...limitsOf(key), of: key }];
  });
}

/** Most keys have none. Tokens are counted at the control plane alone. */
function limitsOf({ limits: { requestsPerMinute, concurrency } }: Key): Pick<CallerKey, "limits"> {
  return requestsPerMinute === null && concurrency === null ? {} : { limits: { requestsPerMinute, concurrency } };
}

const sees = ({ models, deployments }: Key, model: string, placements: readonly Held[]): boolean =>
  models.includes(model) ||
  placements.every(({ deployment }) => deployments.some((granted) => granted.name === deployment));
