import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { PostgresStores } from "../../../control-plane/adapters/postgres/postgres.ts";
import type { FleetKeys } from "../../../control-plane/core/fleet/changes/fleet-keys.ts";
import { isEqual } from "../../../control-plane/core/fleet/changes/equal.ts";
import type { FleetNode } from "../../../control-plane/core/fleet/types.ts";
import { FleetState } from "../../../control-plane/core/fleet/fleet-state.ts";
import { reduce } from "../../../control-plane/core/fleet/reduce.ts";
import type { NodeId } from "../../../shared/base/ids.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { until } from "../../support/processes/skerry-process.ts";
import {
  alice,
  attemptWith,
  checkedModel,
  declarationOf,
  event,
  joinNode,
  lead,
  makeToken,
  openingOf,
  openStores,
  placementOn,
  readyVersion,
  specOf,
} from "./fixture.ts";

let database: TestDatabase;
let stores: PostgresStores;
/** Follows the notifications alone, as a control plane does after its start. */
const follower = new FleetState();
const notified: (FleetKeys | undefined)[] = [];
let edge: NodeId;
let placement: ReturnType<typeof placementOn>;

const SELF = { id: "r-1", address: "a:7070" };
const change = { actor: alice, ifMatch: undefined };

beforeAll(async () => {
  database = await startTestDatabase();
  stores = await openStores(database.url);
  await readyVersion(stores);
  await stores.deployments.put(specOf("digits"), change);
  edge = await joinNode(stores, "edge-a");
  placement = placementOn(edge);
  reduce(follower, { type: "rows-loaded", rows: await stores.fleet.load(performance.now()) });
  await stores.notifier.listen((topic, keys) => {
    if (topic === "fleet") notified.push(keys);
  });
});
afterAll(async () => {
  await stores.notifier.stop();
  await stores.close();
  await database.stop();
});

/** These are read every few seconds, and never notified. */
const withoutSignsOfLife = (nodes: ReadonlyMap<string, FleetNode>): ReadonlyMap<string, FleetNode> =>
  new Map(
    [...nodes].map(([id, node]) => [
      id,
      { ...node, session: node.session && { ...node.session, lastSeen: 0, ownerSeen: 0 } },
    ]),
  );

const viewOf = (state: FleetState) => {
  const { nodes, deployments, versions, aliases, aliasesOf, placements, placementsOn } = state.snapshot();
  const maps = {
    nodes: withoutSignsOfLife(nodes),
    deployments,
    versions,
    aliases,
    aliasesOf,
    placements,
    placementsOn,
  };
  return Object.fromEntries(Object.entries(maps).map(([name, map]) => [name, Object.fromEntries<unknown>(map)]));
};

/** What PostgreSQL holds, read whole. */
async function whole() {
  const state = new FleetState();
  reduce(state, { type: "rows-loaded", rows: await stores.fleet.load(performance.now()) });
  return viewOf(state);
}

/** Reads what was notified since the last call, as it was named. */
async function follow(): Promise<void> {
  for (const keys of notified.splice(0))
    reduce(follower, { type: "rows-loaded", rows: await stores.fleet.load(performance.now(), keys), keys });
}

const put = (spec: ReturnType<typeof specOf>) => stores.deployments.put(spec, change);
const nodeEvent = (message: string) => ({ actor: alice, ifMatch: undefined, event: event(message) });
const sessionOf = (node: NodeId) => ({ nodeId: node, epoch: 1 });

const WRITES: readonly (readonly [string, () => Promise<unknown>])[] = [
  ["a node that joins", () => joinNode(stores, "edge-b")],
  ["a session that opens", () => stores.sessions.open(openingOf(edge))],
  [
    "a node that turned ready",
    () =>
      stores.sessions.touch(SELF, [{ ...sessionOf(edge), ageMs: 0, isReady: true, load: undefined }], {
        areAll: false,
      }),
  ],
  [
    "a placement that is made",
    async () => stores.plans.createPlacements(await lead(stores), [{ placement, event: event("made") }]),
  ],
  [
    "a placement that is reported",
    () =>
      stores.sessions.report(
        sessionOf(edge),
        [{ placementId: placement.id, generation: 1, state: "failed", code: "HOST_CRASHED" }],
        [],
      ),
  ],
  [
    "a placement that is retried",
    async () =>
      stores.plans.retryPlacement(
        await lead(stores),
        { id: placement.id, generation: 1, attempt: placement.attempt },
        event("retried"),
      ),
  ],
  ["a deployment that is made", () => put(specOf("second"))],
  ["a deployment that is changed", () => put({ ...specOf("digits"), limits: { timeoutMs: 2_000 } })],
  [
    "a status that is written",
    async () =>
      stores.plans.writeStatus(await lead(stores), {
        deployment: "digits",
        generation: 2,
        findings: {
          conditions: [],
          activeVersion: null,
          targetVersion: 1,
          edge: { wanted: 1, placed: 1, ready: 0 },
          cloud: { wanted: 0, placed: 0, ready: 0 },
          unplaced: [],
        },
      }),
  ],
  [
    "a transition that is announced",
    async () =>
      stores.plans.announce(await lead(stores), [
        {
          nodeId: edge,
          from: undefined,
          to: "ready",
          event: { type: "Normal", reason: "NodeReady", object: "node/edge-a", message: "ready" },
        },
      ]),
  ],
  ["a node that is cordoned", () => stores.nodes.update("edge-a", { cordoned: true }, nodeEvent("cordoned"))],
  ["a version that is declared", () => stores.catalog.declareVersion(declarationOf("digits", "u-1"), alice)],
  ["a version that is checked", () => stores.catalog.beginCheck("u-1")],
  [
    "a version that is accepted",
    () => stores.catalog.accept("u-1", checkedModel("digits", 2, "two"), event("accepted")),
  ],
  ["a version that is declared again", () => stores.catalog.declareVersion(declarationOf("digits", "u-2"), alice)],
  ["a version that is rejected", () => stores.catalog.reject("u-2", "broken", event("rejected"))],
  [
    "an alias that is made",
    () =>
      stores.catalog.moveAlias(
        { model: "digits", alias: "live", version: 1, ifMatch: undefined },
        { actor: alice, event: event("aliased") },
      ),
  ],
  [
    "an alias that is moved",
    () =>
      stores.catalog.moveAlias(
        { model: "digits", alias: "live", version: 2, ifMatch: undefined },
        { actor: alice, event: event("moved") },
      ),
  ],
  ["a model with a version", () => readyVersion(stores, "other")],
  ["a model that is deleted", () => stores.catalog.deleteModel("other", alice)],
  [
    "a placement that is to go",
    async () => stores.plans.removePlacement(await lead(stores), { id: placement.id, generation: 2 }, event("to go")),
  ],
  [
    "a placement that is deleted",
    async () => stores.plans.deletePlacement(await lead(stores), { id: placement.id, generation: 2 }, event("gone")),
  ],
  [
    "another placement",
    async () => {
      await stores.nodes.update("edge-a", { cordoned: false }, nodeEvent("uncordoned"));
      return stores.plans.createPlacements(await lead(stores), [
        { placement: placementOn(edge, { deploymentGeneration: 2 }), event: event("made") },
      ]);
    },
  ],
  ["a deployment that is deleted", () => stores.deployments.delete("digits", change)],
  ["a session that ends", () => stores.sessions.close(edge, 1)],
  ["a node that is revoked", () => stores.nodes.revoke("edge-a", { actor: alice, event: event("revoked") })],
  [
    "a node that takes the name of a revoked one",
    async () =>
      stores.sessions.join(attemptWith(await makeToken(stores), { name: "edge-a", publicKey: "another key" })),
  ],
  ["a replica that starts", () => stores.sessions.enter({ id: "r-2", address: "b:7070" })],
];

describe("the rows that a notification names", () => {
  it.each(WRITES)("are all that differ after %s", async (_what, write) => {
    await write();
    const expected = await whole();
    await until("the write is notified", () => notified.length > 0);
    // A write of two transactions is notified twice.
    await until("the follower is equal", async () => {
      await follow();
      return isEqual(viewOf(follower), expected);
    }).catch(() => undefined);
    expect(viewOf(follower)).toEqual(expected);
  });

  it("are read alone", async () => {
    const { nodes } = await stores.fleet.load(performance.now(), { nodes: [edge] });
    expect(nodes.length).toBeLessThanOrEqual(1);
    const partial = await stores.fleet.load(performance.now(), { deployments: ["second"] });
    expect(partial).toMatchObject({ nodes: [], placements: [], deployments: [{ name: "second" }], versions: [] });
  });
});
