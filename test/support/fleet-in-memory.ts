import type { Clock } from "../../shared/base/clock.ts";
import { FleetCache } from "../../control-plane/app/fleet/fleet-cache.ts";
import type { FleetRows } from "../../control-plane/core/fleet/types.ts";
import { silentLogger } from "./silent-logger.ts";

/** A fleet holder whose rows are these, loaded. */
export async function fleetOf(rows: Partial<FleetRows>, clock: Clock): Promise<FleetCache> {
  const all: FleetRows = { nodes: [], deployments: [], versions: [], aliases: [], placements: [], ...rows };
  const holder = new FleetCache({
    store: { load: () => Promise.resolve(all) },
    doorbell: { listen: () => Promise.resolve(), stop: () => Promise.resolve() },
    clock,
    logger: silentLogger,
  });
  await holder.start();
  return holder;
}
