import { expect, it } from "@jest/globals";
import type { PoolFindings } from "../../../../shared/api/v1/nodes/cloud-pools.ts";
import { alice, event, joinNode, lead, messagesOf, nodeOf } from "../fixture.ts";
import { stores } from "../own-stores.ts";

const pool = (name: string, wanted: number): PoolFindings => ({
  name,
  min: 0,
  max: 8,
  wanted,
  replicas: wanted,
  ready: 0,
  pending: wanted,
  trouble: null,
  pods: [{ name: `${name}-1`, state: "pending", trouble: "Unschedulable: no machine" }],
});

it("records what the leader found of its pools, all of them and no others, and of nobody else", async () => {
  const fence = await lead(stores);
  expect(await stores.cloudPools.record(fence, [pool("default", 2), pool("spot", 1)])).toBe("committed");
  expect(await stores.cloudPools.record(fence, [pool("spot", 3)])).toBe("committed");
  expect(await stores.cloudPools.list()).toEqual([{ ...pool("spot", 3), recordedAgeMs: expect.any(Number) }]);
  expect(await stores.cloudPools.record({ ...fence, token: fence.token - 1n }, [])).toBe("fenced");
  expect(await stores.cloudPools.list()).toHaveLength(1);
});

it("begins and ends the drain of a node once, in the leader's transaction, with its event, and leaves a cordon as it is", async () => {
  const id = await joinNode(stores, "pod-1");
  const fence = await lead(stores);
  const { desiredRev } = (await nodeOf(stores, "pod-1")) ?? { desiredRev: 0 };
  const drain = (draining: boolean) => stores.plans.setDraining(fence, { id, draining }, event(`drain: ${draining}`));
  expect([await drain(true), await drain(true)]).toEqual(["committed", "stale"]);
  expect(await nodeOf(stores, "pod-1")).toMatchObject({ cordoned: false, draining: true, desiredRev: desiredRev + 1 });
  expect([await drain(false), await drain(false)]).toEqual(["committed", "stale"]);
  expect(await nodeOf(stores, "pod-1")).toMatchObject({ cordoned: false, draining: false });
  await stores.nodes.update("pod-1", { cordoned: true }, { actor: alice, ifMatch: undefined, event: undefined });
  expect([await drain(true), await drain(false)]).toEqual(["committed", "committed"]);
  expect(await nodeOf(stores, "pod-1")).toMatchObject({ cordoned: true, draining: false });
  expect((await messagesOf(stores)).filter((message) => message.startsWith("drain"))).toEqual([
    "drain: true",
    "drain: false",
    "drain: true",
    "drain: false",
  ]);
  const old = { ...fence, token: fence.token - 1n };
  expect(await stores.plans.setDraining(old, { id, draining: true }, event("drain: old"))).toBe("fenced");
});
