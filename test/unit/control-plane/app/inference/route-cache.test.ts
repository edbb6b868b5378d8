import { describe, expect, it } from "@jest/globals";
import { PendingRequests } from "../../../../../control-plane/app/inference/pending-requests.ts";
import type { RequestPaths } from "../../../../../control-plane/app/inference/request-paths.ts";
import { RouteCache } from "../../../../../control-plane/app/inference/route-cache.ts";
import { Telemetry } from "../../../../../control-plane/app/inference/telemetry.ts";
import { SessionRegistry } from "../../../../../control-plane/app/node-sessions/node-session.ts";
import type { PlacementId } from "../../../../../shared/base/ids.ts";
import { aDeployment, aNode, aPlacement, aVersion, NOW } from "../../../../support/fleet/fleet-builder.ts";
import { fleetOf } from "../../../../support/fleet/fleet-in-memory.ts";
import { TestClock } from "../../../../support/test-clock.ts";
import { ownPaths } from "../../../../support/fleet/own-paths.ts";

const node = aNode("edge-a");
const placementOf = (model: string) => aPlacement(node, { id: `p-${model}` as PlacementId, deployment: model, model });
const rows = {
  nodes: [node],
  versions: [aVersion("digits", 1), aVersion("faces", 1)],
  deployments: ["digits", "faces"].map((name) => aDeployment({ name, model: name, version: 1 })),
  placements: [placementOf("digits"), placementOf("faces")],
};

async function started(paths: Pick<RequestPaths, "to"> = ownPaths(new SessionRegistry())) {
  const fleet = await fleetOf(rows, new TestClock(NOW));
  const routes = new RouteCache({
    fleet,
    paths,
    telemetry: new Telemetry(),
  });
  routes.start();
  const routesOf = (model: string) => routes.table().byModel.get(model);
  const load = (over: Partial<typeof rows>): void =>
    fleet.apply({ type: "rows-loaded", rows: { ...rows, aliases: [], ...over } });
  return { fleet, routes, routesOf, load };
}

describe("the route cache", () => {
  it("keeps the routes of a model when something of another one changes", async () => {
    const { fleet, routesOf, load } = await started();
    const [digits, faces] = [routesOf("digits"), routesOf("faces")];
    load({ placements: [placementOf("digits")] });
    expect(routesOf("digits")).toBe(digits);
    expect(routesOf("faces")).not.toBe(faces);
    expect(routesOf("faces")?.byVersion.size).toBe(0);
    await fleet.stop();
  });

  it("sees an alias that moved", async () => {
    const { fleet, routes, load } = await started();
    routes.table();
    fleet.apply({
      type: "rows-loaded",
      rows: { ...rows, aliases: [{ model: "digits", alias: "live", version: 1 }] },
    });
    expect([...routes.table().aliases.values()]).toEqual([1]);
    load({});
    expect([...routes.table().aliases.values()]).toEqual([]);
    await fleet.stop();
  });

  it("sees a model that is gone, and one that is new", async () => {
    const { fleet, routesOf, load } = await started();
    routesOf("digits");
    load({ versions: [aVersion("digits", 1)], deployments: rows.deployments.slice(0, 1) });
    expect(routesOf("faces")).toBeUndefined();
    load({});
    expect(routesOf("faces")?.byVersion.get(1)).toHaveLength(1);
    await fleet.stop();
  });

  it("adds the way to another control plane to the round trip of a node that is held there", async () => {
    const channel = { send: () => true, close: () => undefined, lastByteAt: () => NOW };
    const path = { pending: new PendingRequests(), inference: channel, hopMs: 3 };
    const { fleet, routes, routesOf } = await started({ to: () => path });
    const ready = routesOf("digits")?.byVersion.get(1) ?? [];
    const { all } = routes.candidates(ready, { residency: undefined, now: NOW });
    expect(all).toMatchObject([{ node: "edge-a", rttMs: (node.load?.rttMs ?? 0) + 3, path }]);
    await fleet.stop();
  });
});
