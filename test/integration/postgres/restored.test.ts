import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { PostgresStores } from "../../../control-plane/adapters/postgres/postgres.ts";
import type { NodeId } from "../../../shared/base/ids.ts";
import { copyTestDatabase, startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import {
  alice,
  anAttempt,
  event,
  joinNode,
  lead,
  nodeOf,
  openingOf,
  openStores,
  placementOn,
  placementsOf,
  readyVersion,
  specOf,
} from "./fixture.ts";

let live: TestDatabase;
let backup: TestDatabase;
let stores: PostgresStores;
let nodeId: NodeId;
let laterNode: NodeId;
const kept = () => placementOn(nodeId);
let placementId: string;
let laterId: string;

/** A backup is made while edge-a serves one placement; then that one fails and is tried again, another one and a node come. */
beforeAll(async () => {
  live = await startTestDatabase();
  stores = await openStores(live.url);
  await readyVersion(stores, "digits");
  await readyVersion(stores, "digits");
  await stores.deployments.put(specOf("digits"), { actor: alice, ifMatch: undefined });
  nodeId = await joinNode(stores, "edge-a");
  const fence = await lead(stores);
  const placement = kept();
  placementId = placement.id;
  await stores.plans.createPlacements(fence, [{ placement, event: event("placed") }]);
  await stores.sessions.open(openingOf(nodeId));
  await stores.sessions.report({ nodeId, epoch: 1 }, [{ placementId, generation: 1, state: "ready" }], []);
  await stores.close();
  backup = await copyTestDatabase(live);

  stores = await openStores(live.url);
  await stores.sessions.report({ nodeId, epoch: 1 }, [{ placementId, generation: 1, state: "failed" }], []);
  await stores.plans.retryPlacement(fence, { id: placement.id, generation: 1, attempt: anAttempt }, event("again"));
  const later = { ...placementOn(nodeId), version: 2 };
  laterId = later.id;
  await stores.plans.createPlacements(fence, [{ placement: later, event: event("placed") }]);
  laterNode = await joinNode(stores, "edge-b");
  await stores.close();
  stores = await openStores(backup.url);
}, 60_000);
afterAll(async () => {
  await stores.close();
  await live.stop();
  await backup.stop();
});

const recorded = async () => (await placementsOf(stores)).find(({ id }) => id === placementId);
const said = async (): Promise<readonly string[]> =>
  (await stores.events.read({ after: null, limit: 50, newest: true, object: undefined }))
    .filter(({ type }) => type === "Warning")
    .map(({ reason, message }) => `${reason}: ${message}`);

describe("after an old backup was restored", () => {
  it("the record of a placement follows its node, which has a newer generation of it", async () => {
    expect(await recorded()).toMatchObject({ generation: 1, state: "ready" });
    const opened = await stores.sessions.open({ ...openingOf(nodeId), lastEpoch: 1, desiredRev: 3 });
    expect(opened).toEqual({ epoch: 2, desiredRev: 4, regressed: true });
    const report = { placementId, generation: 2, state: "failed", code: "LOAD_FAILED", detail: "bad" } as const;
    const session = { nodeId, epoch: 2 };
    expect(
      await stores.sessions.report(session, [report, { placementId: laterId, generation: 1, state: "ready" }], []),
    ).toBe(true);
    expect(await recorded()).toMatchObject({ generation: 2, state: "failed", failure: { code: "LOAD_FAILED" } });
    expect((await nodeOf(stores, "edge-a")).desiredRev).toBe(5);
    expect(await said()).toEqual([
      "PlacementConflict: edge-a reports digits:1 at generation 2, 1 is recorded: the record follows the node",
      `PlacementConflict: edge-a has a placement ${laterId} (ready) that is not recorded: it is removed there`,
    ]);
  });

  it("nothing more is said when the same is reported again", async () => {
    const before = await said();
    await stores.sessions.report({ nodeId, epoch: 2 }, [{ placementId, generation: 2, state: "ready" }], []);
    expect(await recorded()).toMatchObject({ generation: 2, state: "ready" });
    expect(await said()).toEqual(before);
  });

  it("a node that joined later is not known", async () => {
    expect(await stores.sessions.identity(laterNode)).toBeNull();
  });
});
