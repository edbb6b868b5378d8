import { seededRandom } from "../../../shared/base/random.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { FleetCache } from "../../../control-plane/app/fleet/fleet-cache.ts";
import type { FleetStore } from "../../../control-plane/ports/plan.ts";
import type { FleetRows } from "../../../control-plane/core/fleet/types.ts";
import { silentLogger } from "../silent-logger.ts";

/** A store of these rows in which the owner of every session lives. */
export const livingStore = (rows: () => FleetRows): FleetStore => {
  const at = (now: number): FleetRows => ({
    ...rows(),
    nodes: rows().nodes.map((node) => ({ ...node, session: node.session && { ...node.session, ownerSeen: now } })),
  });
  return {
    load: (now) => Promise.resolve(at(now)),
    liveness: (_replica, now) =>
      Promise.resolve(
        at(now).nodes.flatMap(({ id, session, load }) => (session ? [{ nodeId: id, session, load }] : [])),
      ),
  };
};

/** A fleet holder whose rows are these, loaded. */
export async function fleetOf(rows: Partial<FleetRows>, clock: Clock): Promise<FleetCache> {
  const all: FleetRows = { nodes: [], deployments: [], versions: [], aliases: [], placements: [], ...rows };
  const holder = new FleetCache({
    replica: "r-1",
    store: livingStore(() => all),
    notifier: { listen: () => Promise.resolve(), stop: () => Promise.resolve() },
    clock,
    random: seededRandom(1),
    logger: silentLogger,
  });
  await holder.start();
  return holder;
}
