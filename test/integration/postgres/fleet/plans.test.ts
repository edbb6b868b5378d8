import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type pg from "pg";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import type { LeaderFence } from "../../../../control-plane/ports/plan.ts";
import type { PlacementId } from "../../../../shared/base/ids.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import {
  alice,
  anAttempt,
  connect,
  event,
  joinNode,
  lead,
  messagesOf,
  nodeOf,
  openingOf,
  openStores,
  placementOn,
  placementsOf,
  readyVersion,
  specOf,
  untilSomebodyWaits,
} from "../fixture.ts";

let database: TestDatabase;
let stores: PostgresStores;
let sql: pg.Client;
let fence: LeaderFence;

beforeAll(async () => {
  database = await startTestDatabase();
  stores = await openStores(database.url);
  sql = await connect(database.url);
  fence = await lead(stores);
  await readyVersion(stores);
  await stores.deployments.put(specOf("digits"), { actor: alice, ifMatch: undefined });
});
afterAll(async () => {
  await sql.end();
  await stores.close();
  await database.stop();
});

const cordon = { actor: alice, ifMatch: undefined, event: undefined };
const find = async (id: PlacementId) => (await placementsOf(stores)).find((row) => row.id === id);

async function report(
  name: string,
  { id, generation }: { id: PlacementId; generation: number },
  state: "failed" | "ready" | "gone",
): Promise<void> {
  const node = await nodeOf(stores, name);
  const session = await stores.sessions.open(openingOf(node.id));
  const detail = state === "failed" ? ({ code: "LOAD_FAILED", detail: "no such operator" } as const) : {};
  await stores.sessions.report(
    { nodeId: node.id, epoch: session?.epoch ?? 0 },
    [{ placementId: id, generation, state, ...detail }],
    [],
  );
}

describe("createPlacements, of one", () => {
  it("writes the placement, raises the node's revision and keeps the event", async () => {
    const nodeId = await joinNode(stores, "edge-a");
    const placement = placementOn(nodeId);
    expect(await stores.plans.createPlacements(fence, [{ placement, event: event("digits goes to edge-a") }])).toBe(
      "committed",
    );
    expect(await find(placement.id)).toMatchObject({
      deployment: "digits",
      model: "digits",
      version: 1,
      nodeId,
      generation: 1,
      wanted: "serve",
      state: "offered",
      explain: placement.explain,
      failure: undefined,
    });
    expect((await nodeOf(stores, "edge-a")).desiredRev).toBe(1);
    expect(await messagesOf(stores)).toContain("digits goes to edge-a");
  });

  it("is stale for a node that holds the version for this deployment already", async () => {
    const nodeId = (await nodeOf(stores, "edge-a")).id;
    expect(
      await stores.plans.createPlacements(fence, [{ placement: placementOn(nodeId), event: event("twice") }]),
    ).toBe("stale");
    expect((await nodeOf(stores, "edge-a")).desiredRev).toBe(1);
    expect(await messagesOf(stores)).not.toContain("twice");
  });

  it("is stale for another generation of the deployment, an unknown deployment and an unknown node", async () => {
    const nodeId = await joinNode(stores, "edge-b");
    const stale = [{ deploymentGeneration: 2 }, { deployment: "letters" }, { nodeId: "n-nobody" as typeof nodeId }];
    for (const over of stale)
      expect(
        await stores.plans.createPlacements(fence, [{ placement: placementOn(nodeId, over), event: event("stale") }]),
      ).toBe("stale");
  });

  it.each(["cordoned", "draining"] as const)("is stale for a node that is %s", async (flag) => {
    const nodeId = await joinNode(stores, `edge-${flag}`);
    await stores.nodes.update(`edge-${flag}`, { [flag]: true }, cordon);
    expect(
      await stores.plans.createPlacements(fence, [{ placement: placementOn(nodeId), event: event("refused") }]),
    ).toBe("stale");
  });

  it("is stale for a revoked node", async () => {
    const nodeId = await joinNode(stores, "edge-revoked");
    await stores.nodes.revoke("edge-revoked", { actor: alice, event: event("revoked") });
    expect(
      await stores.plans.createPlacements(fence, [{ placement: placementOn(nodeId), event: event("refused") }]),
    ).toBe("stale");
  });

  it("loses to a cordon that commits while it waits", async () => {
    const nodeId = await joinNode(stores, "edge-race");
    const operator = await connect(database.url);
    await operator.query("BEGIN");
    await operator.query("UPDATE nodes SET cordoned = true WHERE id = $1", [nodeId]);
    const created = stores.plans.createPlacements(fence, [{ placement: placementOn(nodeId), event: event("raced") }]);
    await untilSomebodyWaits(sql);
    await operator.query("COMMIT");
    await operator.end();
    expect(await created).toBe("stale");
    expect((await placementsOf(stores)).filter((row) => row.nodeId === nodeId)).toEqual([]);
  });

  it("never leaves a placement that was committed after its node's cordon", async () => {
    for (let round = 0; round < 10; round++) {
      const name = `edge-round-${round}`;
      const nodeId = await joinNode(stores, name);
      const [outcome] = await Promise.all([
        stores.plans.createPlacements(fence, [{ placement: placementOn(nodeId), event: event("raced") }]),
        stores.nodes.update(name, { cordoned: true }, cordon),
      ]);
      const { rows } = await sql.query("SELECT 1 FROM placements WHERE node_id = $1", [nodeId]);
      expect(rows).toHaveLength(outcome === "committed" ? 1 : 0);
      // Cordon and placement raise the revision one after the other, never into the same number.
      expect((await nodeOf(stores, name)).desiredRev).toBe(outcome === "committed" ? 2 : 1);
    }
  });

  it("decides many at once in their order, because of equal ones the youngest leaves first", async () => {
    const nodes = [await joinNode(stores, "edge-row-2"), await joinNode(stores, "edge-row-1")];
    const many = nodes.map((nodeId) => ({ placement: placementOn(nodeId), event: event("in order") }));
    expect(await stores.plans.createPlacements(fence, many)).toBe("committed");
    const [first, second] = await Promise.all(many.map(({ placement }) => find(placement.id)));
    expect(second?.decidedAt).toBeGreaterThan(first?.decidedAt ?? Infinity);
  });

  it("writes many at once, but those whose nodes were cordoned while it waited, and those that are there", async () => {
    const [taking, racing, holding] = [
      await joinNode(stores, "edge-many-1"),
      await joinNode(stores, "edge-many-2"),
      await joinNode(stores, "edge-many-3"),
    ];
    await stores.plans.createPlacements(fence, [{ placement: placementOn(holding), event: event("first") }]);
    const operator = await connect(database.url);
    await operator.query("BEGIN");
    await operator.query("UPDATE nodes SET cordoned = true WHERE id = $1", [racing]);
    const many = [taking, racing, holding].map((nodeId) => ({
      placement: placementOn(nodeId),
      event: event(`many: ${nodeId}`),
    }));
    const created = stores.plans.createPlacements(fence, many);
    await untilSomebodyWaits(sql);
    await operator.query("COMMIT");
    await operator.end();
    expect(await created).toBe("committed");
    const rows = (await placementsOf(stores)).filter(({ nodeId }) => [taking, racing, holding].includes(nodeId));
    expect(rows.map(({ nodeId }) => nodeId).toSorted()).toEqual([taking, holding].toSorted());
    const written = (await messagesOf(stores)).filter((message) => message.startsWith("many: "));
    expect(written).toEqual([`many: ${taking}`]);
    expect((await nodeOf(stores, "edge-many-1")).desiredRev).toBe(1);
    expect((await nodeOf(stores, "edge-many-3")).desiredRev).toBe(1);
    expect(await stores.plans.createPlacements(fence, many)).toBe("stale");
    const stranger = { ...fence, token: fence.token + 1n };
    expect(await stores.plans.createPlacements(stranger, many)).toBe("fenced");
  });
});

describe("the later steps of a placement", () => {
  it("retries one that failed: next generation, offered again, without its failure", async () => {
    const placement = placementOn(await joinNode(stores, "edge-retry"));
    await stores.plans.createPlacements(fence, [{ placement, event: event("placed") }]);
    expect(
      await stores.plans.retryPlacement(
        fence,
        { id: placement.id, generation: 1, attempt: { ...anAttempt, memMiB: 600 } },
        event("no reason"),
      ),
    ).toBe("stale");
    await report("edge-retry", { id: placement.id, generation: 1 }, "failed");
    expect(await find(placement.id)).toMatchObject({
      state: "failed",
      failure: { code: "LOAD_FAILED", detail: "no such operator" },
    });
    expect(
      await stores.plans.retryPlacement(
        fence,
        { id: placement.id, generation: 1, attempt: { ...anAttempt, memMiB: 600 } },
        event("again"),
      ),
    ).toBe("committed");
    expect(
      await stores.plans.retryPlacement(
        fence,
        { id: placement.id, generation: 1, attempt: { ...anAttempt, memMiB: 600 } },
        event("too old"),
      ),
    ).toBe("stale");
    expect(await find(placement.id)).toMatchObject({
      generation: 2,
      state: "offered",
      failure: undefined,
      attempt: { memMiB: 600, agent: anAttempt.agent },
    });
    expect((await nodeOf(stores, "edge-retry")).desiredRev).toBe(2);
  });

  it("retries all that failed of a deployment when an operator asks for it", async () => {
    const placement = placementOn(await joinNode(stores, "edge-asked"));
    await stores.plans.createPlacements(fence, [{ placement, event: event("placed") }]);
    await report("edge-asked", { id: placement.id, generation: 1 }, "failed");
    expect(await stores.deployments.retry("digits", alice)).toBe(1);
    expect(await find(placement.id)).toMatchObject({ generation: 2, state: "offered", failure: undefined });
    expect((await nodeOf(stores, "edge-asked")).desiredRev).toBe(2);
    expect(await stores.deployments.retry("digits", alice)).toBe(0);
    await expect(stores.deployments.retry("nothing", alice)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("removes one, and deletes its row only then", async () => {
    const placement = placementOn(await joinNode(stores, "edge-remove"));
    await stores.plans.createPlacements(fence, [{ placement, event: event("placed") }]);
    expect(await stores.plans.deletePlacement(fence, { id: placement.id, generation: 1 }, event("too soon"))).toBe(
      "stale",
    );
    expect(await stores.plans.removePlacement(fence, { id: placement.id, generation: 7 }, event("unknown"))).toBe(
      "stale",
    );
    expect(await stores.plans.removePlacement(fence, { id: placement.id, generation: 1 }, event("removed"))).toBe(
      "committed",
    );
    expect(await find(placement.id)).toMatchObject({ generation: 1, wanted: "gone" });
    await report("edge-remove", { id: placement.id, generation: 1 }, "gone");
    expect(await stores.plans.deletePlacement(fence, { id: placement.id, generation: 1 }, event("deleted"))).toBe(
      "committed",
    );
    expect(await find(placement.id)).toBeUndefined();
    expect((await nodeOf(stores, "edge-remove")).desiredRev).toBe(3);
  });
});
