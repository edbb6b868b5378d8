import type { FleetCache } from "../../../control-plane/app/fleet/fleet-cache.ts";
import { NodeSession } from "../../../control-plane/app/node-sessions/node-session.ts";
import type { FleetNode } from "../../../control-plane/core/fleet/types.ts";
import type { ControlChannel } from "../../../control-plane/ports/nodes/channels.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { aFleet } from "./fleet-builder.ts";

/** A session of `node`. Without `fleet` the fleet knows nothing of it. */
export function aSession(
  { id, name, kind }: Pick<FleetNode, "id" | "name" | "kind">,
  {
    control,
    clock,
    epoch = 1,
    fleet = { snapshot: () => aFleet({}) },
  }: {
    readonly control: ControlChannel;
    readonly clock: Clock;
    readonly epoch?: number;
    readonly fleet?: Pick<FleetCache, "snapshot">;
  },
): NodeSession {
  return new NodeSession({
    nodeId: id,
    name,
    kind,
    epoch,
    bootId: "b-1",
    address: "127.0.0.1:1",
    identity: { name, kind, publicKey: "", generation: 1, revoked: false },
    control,
    fleet,
    clock,
  });
}
