import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import type { LeaderFence, NewPlacement } from "../../../../control-plane/ports/plan.ts";
import type { NodeId } from "../../../../shared/base/ids.ts";
import type { PlacementFailure } from "../../../../shared/protocol/placement.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import {
  alice,
  anAttempt,
  attemptWith,
  event,
  hashOf,
  joinNode,
  lead,
  nodeOf,
  openingOf,
  openStores,
  placementOn,
  readyVersion,
  specOf,
} from "../fixture.ts";

let database: TestDatabase;
let stores: PostgresStores;
let fence: LeaderFence;
let name: string;
let nodeId: NodeId;
let placement: NewPlacement;
let generation: number;
let count = 0;

beforeAll(async () => {
  database = await startTestDatabase();
  stores = await openStores(database.url);
  fence = await lead(stores);
  await readyVersion(stores);
  await stores.deployments.put(specOf("digits"), { actor: alice, ifMatch: undefined });
});
afterAll(async () => {
  await stores.close();
  await database.stop();
});
beforeEach(async () => {
  name = `edge-${++count}`;
  nodeId = await joinNode(stores, name);
  placement = placementOn(nodeId);
  generation = 1;
  await stores.plans.createPlacements(fence, [{ placement, event: event("placed") }]);
});

const history = async () => (await nodeOf(stores, name)).history;

async function report(state: "ready" | "failed", code: PlacementFailure = "LOAD_FAILED"): Promise<void> {
  const session = await stores.sessions.open(openingOf(nodeId));
  const how = state === "failed" ? { code, detail: "no such operator" } : { warmUs: 900 };
  const said = { placementId: placement.id, generation, state, ...how };
  await stores.sessions.report({ nodeId, epoch: session?.epoch ?? 0 }, [said], []);
}

async function retry(attempt = placement.attempt): Promise<void> {
  await stores.plans.retryPlacement(fence, { id: placement.id, generation, attempt }, event("again"));
  generation += 1;
}

describe("what is remembered of a version on a node", () => {
  it("is how often it failed to load in a row, however often the node says so", async () => {
    expect(await history()).toBeUndefined();
    await report("failed");
    await report("failed");
    await retry();
    await report("failed", "OUT_OF_MEMORY");
    expect(await history()).toEqual([
      { model: "digits", version: 1, loadFailures: 2, attempt: placement.attempt, evictedAt: undefined },
    ]);
  });

  it("outlives the placement", async () => {
    await report("failed");
    await stores.plans.removePlacement(fence, { id: placement.id, generation }, event("leaves"));
    await stores.plans.deletePlacement(fence, { id: placement.id, generation }, event("gone"));
    expect(await history()).toMatchObject([{ loadFailures: 1 }]);
  });

  it("begins at one with another attempt, and when the version had served meanwhile", async () => {
    const larger = { ...anAttempt, memMiB: 1_024 };
    await report("failed");
    await retry(larger);
    await report("failed");
    expect(await history()).toMatchObject([{ loadFailures: 1, attempt: larger }]);
    await retry(larger);
    await report("failed");
    expect(await history()).toMatchObject([{ loadFailures: 2 }]);
    await retry(larger);
    await report("ready");
    await report("failed", "HOST_CRASHED");
    expect(await history()).toMatchObject([{ loadFailures: 1 }]);
  });

  it("is no failure of the disk, of a transfer or of an engine", async () => {
    for (const code of ["NO_SPACE", "DIGEST_MISMATCH", "ENGINE_AWAY"] as const) {
      await report("failed", code);
      await retry();
    }
    expect(await history()).toBeUndefined();
  });

  it("is when it made room for another deployment", async () => {
    await stores.plans.removePlacement(fence, { id: placement.id, generation, isEvicted: true }, event("makes room"));
    const [known] = (await history()) ?? [];
    expect(known).toMatchObject({ model: "digits", version: 1, loadFailures: 0 });
    // `nodeOf` reads the fleet at 0 of its clock.
    expect(Math.abs(known?.evictedAt ?? Infinity)).toBeLessThan(60_000);
  });

  it("is nothing of a placement that was not at the generation that was planned for", async () => {
    const stale = { id: placement.id, generation: generation + 1, isEvicted: true };
    expect(await stores.plans.removePlacement(fence, stale, event("makes room"))).toBe("stale");
    expect(await history()).toBeUndefined();
  });

  it("is no failed load of a machine that takes the place of the node", async () => {
    await report("failed");
    await stores.nodes.createReplaceToken(
      name,
      { id: `replaces-${name}`, secretHash: hashOf(`replaces-${name}`), ttlSeconds: 600 },
      { actor: alice, why: "its memory is broken" },
    );
    await stores.sessions.join(attemptWith(`replaces-${name}`, { name, publicKey: `another key of ${name}` }));
    expect(await history()).toMatchObject([{ loadFailures: 0 }]);
  });

  it("is forgotten when an operator asks for another try, also where the placement has left", async () => {
    await report("failed");
    await stores.plans.removePlacement(fence, { id: placement.id, generation }, event("leaves"));
    await stores.plans.deletePlacement(fence, { id: placement.id, generation }, event("gone"));
    await stores.deployments.retry("digits", alice);
    expect(await history()).toMatchObject([{ loadFailures: 0 }]);
  });
});
