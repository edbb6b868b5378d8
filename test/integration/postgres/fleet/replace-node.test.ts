import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { newId } from "../../../../shared/base/ids.ts";
import { systemRandom } from "../../../../shared/base/random.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { alice, attemptWith, event, hashOf, joinNode, makeToken, nodeOf, openingOf, openStores } from "../fixture.ts";

let database: TestDatabase;
let stores: PostgresStores;

beforeAll(async () => {
  database = await startTestDatabase();
  stores = await openStores(database.url);
});
afterAll(async () => {
  await stores.close();
  await database.stop();
});

/** A token for a machine that takes the place of `name`; its secret is its id. */
async function replaceToken(name: string): Promise<string> {
  const id = newId<string>("t", systemRandom);
  await stores.nodes.createReplaceToken(
    name,
    { id, secretHash: hashOf(id), ttlSeconds: 600 },
    { actor: alice, why: "its disk is broken" },
  );
  return id;
}
const entries = async (count: number) =>
  (await stores.audit.list({ before: null, limit: count })).map(({ action, target }) => `${action} ${target}`);

describe("a token that replaces a node", () => {
  it("makes the joining machine the node, with the next generation, and closes what the old one had", async () => {
    const nodeId = await joinNode(stores, "dock-1");
    await stores.nodes.update(
      "dock-1",
      { labels: { gpu: "yes" } },
      { actor: alice, ifMatch: undefined, event: undefined },
    );
    await stores.sessions.open(openingOf(nodeId));
    const token = await replaceToken("dock-1");
    const joined = await stores.sessions.join(attemptWith(token, { name: "dock-1", publicKey: "new key" }));
    expect(joined).toEqual({
      nodeId,
      generation: 2,
      kind: "edge",
      site: "harbour",
      zone: "pier-1",
      isReplacement: true,
    });
    expect(await entries(2)).toEqual(["node.replace node/dock-1", "node.replace-token node/dock-1"]);
    expect(await nodeOf(stores, "dock-1")).toMatchObject({ labels: { gpu: "yes" }, session: { open: false } });
    expect(await stores.sessions.identity(nodeId)).toMatchObject({ publicKey: "new key", previousKey: null });
    expect(await stores.sessions.open(openingOf(nodeId))).toBeNull();
    expect(await stores.sessions.open({ ...openingOf(nodeId), generation: 2 })).toMatchObject({ epoch: 2 });
  });

  it("gives the same answer again to the machine whose answer was lost, and nothing to another one", async () => {
    const nodeId = await joinNode(stores, "dock-2");
    const token = await replaceToken("dock-2");
    const attempt = attemptWith(token, { name: "dock-2", publicKey: "new key" });
    const first = await stores.sessions.join(attempt);
    expect(await stores.sessions.join(attempt)).toMatchObject({ nodeId, generation: first?.generation });
    expect(await stores.sessions.join({ ...attempt, publicKey: "thief" })).toBeNull();
    expect(await stores.sessions.identity(nodeId)).toMatchObject({ publicKey: "new key", generation: 2 });
  });

  it("is void when another one was used first, or the node was removed", async () => {
    const nodeId = await joinNode(stores, "dock-3");
    const [one, two] = [await replaceToken("dock-3"), await replaceToken("dock-3")];
    await stores.sessions.join(attemptWith(one, { name: "dock-3", publicKey: "key one" }));
    const late = attemptWith(two, { name: "dock-3", publicKey: "key two" });
    for (const attempt of [late, late]) expect(await stores.sessions.join(attempt)).toBeNull();
    expect(await stores.sessions.identity(nodeId)).toMatchObject({ publicKey: "key one", generation: 2 });
    const three = await replaceToken("dock-3");
    await stores.nodes.revoke("dock-3", { actor: alice, event: event("revoked") });
    expect(await stores.sessions.join(attemptWith(three, { name: "dock-3", publicKey: "key three" }))).toBeNull();
    await expect(replaceToken("dock-3")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("voids the token by which the machine before it joined", async () => {
    const first = attemptWith(await makeToken(stores), { name: "dock-7", publicKey: "key one" });
    const joined = await stores.sessions.join(first);
    expect(await stores.sessions.join(first)).toEqual(joined);
    const token = await replaceToken("dock-7");
    await stores.sessions.join(attemptWith(token, { name: "dock-7", publicKey: "key two" }));
    expect(await stores.sessions.join(first)).toBeNull();
  });

  it("is for the name of the node alone, and not for a node that waits", async () => {
    await joinNode(stores, "dock-4");
    const token = await replaceToken("dock-4");
    expect(await stores.sessions.join(attemptWith(token, { name: "dock-5" }))).toBeNull();
    const waiting = attemptWith(await makeToken(stores, { needsApproval: true }), { name: "dock-6" });
    await stores.sessions.join(waiting);
    await expect(replaceToken("dock-6")).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(replaceToken("nobody")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
