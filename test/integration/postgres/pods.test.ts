import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { PostgresStores } from "../../../control-plane/adapters/postgres/postgres.ts";
import type { LeaderFence } from "../../../control-plane/ports/plan.ts";
import type { PodJoinAttempt } from "../../../control-plane/ports/nodes/nodes.ts";
import type { NodeId } from "../../../shared/base/ids.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { alice, event, joinNode, lead, messagesOf, nodeOf, openStores } from "./fixture.ts";

let database: TestDatabase;
let stores: PostgresStores;
let fence: LeaderFence;
let count = 0;

beforeAll(async () => {
  database = await startTestDatabase();
  stores = await openStores(database.url);
  fence = await lead(stores);
});
afterAll(async () => {
  await stores.close();
  await database.stop();
});

const attempt = (name: string, over: Partial<PodJoinAttempt> = {}): PodJoinAttempt => ({
  podUid: `uid-of-${name}`,
  name,
  site: "cloud",
  zone: "north",
  labels: { pool: "default" },
  publicKey: `key-of-${name}`,
  newNodeId: `n-pod-${(count += 1)}` as NodeId,
  from: { address: "198.51.100.7", requestId: "req-join" },
  ...over,
});

describe("a pod", () => {
  it("is one node, however often it joins with its key, and none with another key", async () => {
    const first = await stores.pods.joinPod(attempt("pod-a"));
    expect(first).toMatchObject({ generation: 1, kind: "cloud", site: "cloud", zone: "north" });
    expect(await stores.pods.joinPod(attempt("pod-a"))).toEqual(first);
    expect(await stores.pods.joinPod(attempt("pod-a", { publicKey: "another" }))).toBeNull();
    expect(await nodeOf(stores, "pod-a")).toMatchObject({ id: first?.nodeId, labels: { pool: "default" } });
  });

  it("is one node when it joins many times at once", async () => {
    const joined = await Promise.allSettled(Array.from({ length: 10 }, () => stores.pods.joinPod(attempt("pod-b"))));
    const ids = joined.flatMap((each) => (each.status === "fulfilled" && each.value ? [each.value.nodeId] : []));
    expect(ids.length).toBeGreaterThan(0);
    expect(new Set(ids).size).toBe(1);
  });

  it("has the zone of its machine and the site of its pool, and nobody sets another", async () => {
    await stores.pods.joinPod(attempt("pod-p"));
    const set = (place: { site?: string; zone?: string }) =>
      stores.nodes.update("pod-p", place, { actor: alice, ifMatch: undefined, event: event("pod-p was moved") });
    await expect(set({ zone: "south" })).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("topology.kubernetes.io/zone"),
    });
    await expect(set({ site: "island" })).rejects.toMatchObject({ code: "CONFLICT" });
    await set({ site: "cloud", zone: "north" });
    expect(await nodeOf(stores, "pod-p")).toMatchObject({ site: "cloud", zone: "north" });
    expect(await messagesOf(stores)).not.toContain("pod-p was moved");
  });

  it("takes the name of an earlier pod, and never that of a node that is no pod", async () => {
    const older = await stores.pods.joinPod(attempt("pod-c"));
    const newer = await stores.pods.joinPod(attempt("pod-c", { podUid: "uid-of-its-successor", publicKey: "new" }));
    expect(newer?.nodeId).not.toBe(older?.nodeId);
    expect(await nodeOf(stores, "pod-c")).toMatchObject({ id: newer?.nodeId });
    await joinNode(stores, "device");
    await expect(stores.pods.joinPod(attempt("device"))).rejects.toMatchObject({ code: "NAME_TAKEN" });
  });
});

describe("the node of a pod that is gone", () => {
  it("loses its identity first, so that its sockets close, and its row next", async () => {
    const joined = await stores.pods.joinPod(attempt("pod-d"));
    const node = { name: "pod-d", podUid: "uid-of-pod-d" };
    await stores.pods.removePodNode(fence, node, event("pod-d was removed", "node/pod-d"));
    expect(await stores.sessions.identity(joined?.nodeId ?? "")).toMatchObject({ revoked: true, generation: 2 });
    expect(await stores.pods.joinPod(attempt("pod-d"))).toBeNull();
    await stores.pods.removePodNode(fence, node, event("pod-d was removed", "node/pod-d"));
    expect(await stores.sessions.identity(joined?.nodeId ?? "")).toBeNull();
    expect((await messagesOf(stores)).filter((message) => message === "pod-d was removed")).toHaveLength(1);
  });

  it("is left alone by a control plane that has lost the lease without noticing", async () => {
    await stores.pods.joinPod(attempt("pod-f"));
    const lost = { ...fence, token: fence.token - 1n };
    const gone = event("pod-f was removed", "node/pod-f");
    await stores.pods.removePodNode(lost, { name: "pod-f", podUid: "uid-of-pod-f" }, gone);
    expect(await nodeOf(stores, "pod-f")).toMatchObject({ revoked: false });
    expect(await messagesOf(stores)).not.toContain("pod-f was removed");
  });

  it("is left alone when another pod has its name", async () => {
    await stores.pods.joinPod(attempt("pod-e", { podUid: "newer" }));
    await stores.pods.removePodNode(
      fence,
      { name: "pod-e", podUid: "older" },
      event("pod-e was removed", "node/pod-e"),
    );
    expect(await stores.pods.podNodes()).toContainEqual({ name: "pod-e", podUid: "newer" });
    expect(await nodeOf(stores, "pod-e")).toMatchObject({ revoked: false });
  });
});
