import { describe, expect, it } from "@jest/globals";
import {
  buildRouteTable,
  resolve,
  type Resolved,
  type RouteTable,
} from "../../../../../control-plane/core/routing/table.ts";
import type { Fleet, FleetPlacement } from "../../../../../control-plane/core/fleet/types.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import type { EncoderModel } from "../../../../../shared/text/encoder-model.ts";
import type { PlacementId } from "../../../../../shared/base/ids.ts";
import {
  aDeployment,
  aFleet,
  aNode,
  aPlacement,
  aSilentNode,
  aVersion,
} from "../../../../support/fleet/fleet-builder.ts";

const [a, b] = [aNode("edge-a"), aNode("edge-b", { site: "island" })];
const versions = [aVersion("digits", 1), aVersion("digits", 2)];
const deployment = aDeployment({ name: "digits", model: "digits", version: 2 });

const ask = (fleet: Fleet, version?: string, site?: string): Resolved =>
  resolve(buildRouteTable(fleet), { model: "digits", version, site }, seededRandom(1));

const idsOf = (resolved: Resolved): readonly string[] =>
  resolved.kind === "found" ? resolved.ready.map(({ placement }) => placement.id) : [];

describe("resolve", () => {
  it("finds a version by number and by alias", () => {
    const fleet = aFleet({
      nodes: [a],
      versions,
      deployments: [deployment],
      placements: [aPlacement(a)],
      aliases: [{ model: "digits", alias: "champion", version: 1 }],
    });
    expect(ask(fleet, "1")).toMatchObject({ kind: "found", version: 1 });
    expect(idsOf(ask(fleet, "champion"))).toEqual(["p-edge-a"]);
    expect(idsOf(ask(fleet, "2"))).toEqual([]);
  });

  it("tells what a version is asked for, once there is one", () => {
    const encoder = { maxTokens: 256 } as unknown as EncoderModel;
    const fleet = aFleet({
      nodes: [a],
      versions: [versions[0] ?? aVersion("digits", 1), aVersion("digits", 2, { encoder })],
    });
    const asksOf = (version: string) => ask(fleet, version);
    expect(asksOf("1")).toMatchObject({ asks: "tensors" });
    expect(asksOf("2")).toMatchObject({ asks: "embeddings" });
    expect(ask(aFleet({ versions, deployments: [deployment] }))).toMatchObject({ version: 0, asks: undefined });
  });

  it.each(["3", "0", "01", "nobody", "-1"])("does not know version %s", (version) => {
    expect(ask(aFleet({ versions, deployments: [deployment] }), version).kind).toBe("unknown");
  });

  it("tells an unknown model from one that nothing deploys", () => {
    expect(ask(aFleet({}))).toMatchObject({ kind: "unknown", detail: expect.stringContaining("not known here") });
    expect(ask(aFleet({ versions }))).toMatchObject({
      kind: "unknown",
      detail: expect.stringContaining("has no deployment"),
    });
  });

  it("leaves traffic on the old version until the new one has the replicas that the spec asks for", () => {
    const two = aDeployment({ name: "digits", model: "digits", version: 2, placement: { edge: { min: 2 } } });
    const old = [aPlacement(a), aPlacement(b)];
    const fresh = (node: typeof a): FleetPlacement =>
      aPlacement(node, { id: `p-new-${node.name}` as PlacementId, version: 2 });
    const fleetWith = (placements: readonly FleetPlacement[]): Fleet =>
      aFleet({ nodes: [a, b], versions, deployments: [two], placements });
    expect(ask(fleetWith([...old, fresh(a)]))).toMatchObject({ version: 1 });
    expect(ask(fleetWith([...old, fresh(a), fresh(b)]))).toMatchObject({ version: 2 });
    expect(idsOf(ask(fleetWith([...old, fresh(a), fresh(b)])))).toEqual(["p-new-edge-a", "p-new-edge-b"]);
  });

  it("does not count replicas whose nodes are away while there are others", () => {
    const away = (node: typeof a): typeof a => aSilentNode(node.name, 100);
    const fresh = aPlacement(b, { id: "p-new" as PlacementId, version: 2 });
    const c = aNode("edge-c");
    const two = aDeployment({ name: "digits", model: "digits", version: 2, placement: { edge: { min: 2 } } });
    const fleetWith = (nodes: readonly (typeof a)[]): Fleet =>
      aFleet({ nodes, versions, deployments: [two], placements: [aPlacement(a), aPlacement(c), fresh] });
    expect(ask(fleetWith([a, b, c]))).toMatchObject({ version: 1 });
    expect(ask(fleetWith([away(a), b, away(c)]))).toMatchObject({ version: 2 });
    expect(ask(fleetWith([away(a), away(b), away(c)]))).toMatchObject({ version: 1 });
  });

  it("leaves out placements that are not ready, or are to go, or that residency forbids", () => {
    const cloud = aNode("cloud-a", { kind: "cloud" });
    const edgeOnly = aDeployment({
      name: "digits",
      model: "digits",
      version: 1,
      placement: { residency: "edge-only", edge: { min: 1 } },
    });
    const placements = [aPlacement(cloud), aPlacement(a, { state: "warming" }), aPlacement(b, { wanted: "gone" })];
    expect(idsOf(ask(aFleet({ nodes: [a, b, cloud], versions, deployments: [edgeOnly], placements })))).toEqual([]);
  });

  it("chooses among several deployments: ready at the caller's site, else named like the model, else the oldest", () => {
    const older = aDeployment({ name: "aside", model: "digits", version: 1 }, { createdAt: 1 });
    const named = aDeployment({ name: "digits", model: "digits", version: 1 }, { createdAt: 2 });
    const placements = [aPlacement(a, { deployment: "aside" }), aPlacement(b, { deployment: "digits" })];
    const fleet = aFleet({ nodes: [a, b], versions, deployments: [older, named], placements });
    expect(idsOf(ask(fleet, undefined, a.site))).toEqual(["p-edge-a"]);
    expect(idsOf(ask(fleet))).toEqual(["p-edge-b"]);
    const other = aDeployment({ name: "zebra", model: "digits", version: 1 }, { createdAt: 3 });
    expect(idsOf(ask(aFleet({ nodes: [a], versions, deployments: [other, older], placements })))).toEqual(["p-edge-a"]);
  });

  it("asks the replicas of one deployment alone when a request names it, and does not wait", () => {
    const growing = { edge: { min: 0, max: 2 } };
    const named = aDeployment({ name: "digits", model: "digits", version: 1, placement: growing }, { createdAt: 1 });
    const aside = aDeployment({ name: "aside", model: "digits", version: 1 }, { createdAt: 2 });
    const askBoth = (placements: readonly FleetPlacement[], of?: string): Resolved => {
      const fleet = aFleet({ nodes: [a, b], versions, deployments: [named, aside], placements });
      const request = { model: "digits", version: "1", deployment: of, site: undefined };
      return resolve(buildRouteTable(fleet), request, seededRandom(1));
    };
    const both = [aPlacement(a), aPlacement(b, { deployment: "aside" })];
    expect(idsOf(askBoth(both))).toEqual(["p-edge-a", "p-edge-b"]);
    expect(idsOf(askBoth(both, "aside"))).toEqual(["p-edge-b"]);
    expect(askBoth(both, "aside")).toMatchObject({ deployment: "aside" });
    expect(askBoth(both.slice(1), "digits")).toMatchObject({ deployment: "digits", ready: [], mayWait: false });
    expect(askBoth(both, "gone")).toMatchObject({ deployment: undefined, ready: [] });
  });

  it("says what the deployment promises, also when the version is named", () => {
    const spec = {
      name: "digits",
      model: "digits",
      version: 1,
      slo: { p95Ms: 80, hedge: true },
      limits: { timeoutMs: 500 },
    };
    const fleet = aFleet({ nodes: [a], versions, deployments: [aDeployment(spec)], placements: [aPlacement(a)] });
    const policy = { timeoutMs: 500, sloMs: 80, hedge: true };
    expect(ask(fleet)).toMatchObject({ policy });
    expect(ask(fleet, "1")).toMatchObject({ policy });
    expect(ask(fleet, "2")).toMatchObject({ policy, ready: [] });
  });

  it("splits requests by the deployment's shares", () => {
    const placements = [aPlacement(a), aPlacement(b, { version: 2 })];
    const table = buildRouteTable(aFleet({ nodes: [a, b], versions, deployments: [deployment], placements }));
    const [routes] = table.byModel.get("digits")?.deployments ?? [];
    expect(routes?.shares).toEqual([{ version: 2, weight: 1 }]);
    const split = { ...table.byModel.get("digits"), deployments: [{ ...routes, shares: [{ version: 1, weight: 1 }] }] };
    const other = { ...table, byModel: new Map([["digits", split]]) } as RouteTable;
    const request = { model: "digits", version: undefined, site: undefined };
    expect(idsOf(resolve(other, request, seededRandom(1)))).toEqual(["p-edge-a"]);
  });

  it("divides callers with sticky keys by the deployment's shares, otherwise in each deployment", () => {
    const placements = [aPlacement(a), aPlacement(b, { version: 2 })];
    const table = buildRouteTable(aFleet({ nodes: [a, b], versions, deployments: [deployment], placements }));
    const [routes] = table.byModel.get("digits")?.deployments ?? [];
    const shares = [1, 2].map((version) => ({ version, weight: 1 }));
    const versionFor = (name: string, sticky: string): number => {
      const split = { ...table.byModel.get("digits"), deployments: [{ ...routes, name, shares }] };
      const other = { ...table, byModel: new Map([["digits", split]]) } as RouteTable;
      const found = resolve(
        other,
        { model: "digits", version: undefined, site: undefined, sticky },
        { next: () => fail() },
      );
      return found.kind === "found" ? found.version : 0;
    };
    const users = Array.from({ length: 200 }, (_, user) => `user-${user}`);
    const [here, there] = ["digits", "digits-2"].map((name) => users.map((user) => versionFor(name, user)));
    expect(new Set(here)).toEqual(new Set([1, 2]));
    expect(here).not.toEqual(there);
  });
});

function fail(): never {
  throw new Error("chance was asked");
}
