import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { JsonCallersFile } from "../../../../edge-node/adapters/filesystem/callers-file.ts";
import { IdentityFiles } from "../../../../edge-node/adapters/filesystem/identity-files.ts";
import { JsonStateFile } from "../../../../edge-node/adapters/filesystem/state-file.ts";
import { keys } from "../../../../control-plane/adapters/system/ed25519.ts";
import type { NodeState } from "../../../../edge-node/ports/disk.ts";
import { silentLogger } from "../../../support/silent-logger.ts";

let stateDir: string;
beforeEach(async () => {
  stateDir = await mkdtemp(path.join(tmpdir(), "skerry-state-"));
});
afterEach(() => rm(stateDir, { recursive: true, force: true }));

const memory: NodeState = {
  epoch: 12,
  desiredRev: 44,
  desired: { cordoned: true, placements: [] },
  retained: [],
  previous: [`sha256:${"a".repeat(64)}`],
};

describe("JsonStateFile", () => {
  it("reads what was saved, and null on a new node", async () => {
    const file = new JsonStateFile(stateDir, silentLogger);
    expect(await file.load()).toBeNull();
    await file.save(memory);
    await file.save({ ...memory, epoch: 13 });
    expect(await new JsonStateFile(stateDir, silentLogger).load()).toEqual({ ...memory, epoch: 13 });
    expect(await readdir(stateDir)).toEqual(["memory.json"]);
  });

  it.each(["", "{", '{"v":1,"sha256":"sha256:0","memory":"{}"}', "null"])("sets %j aside", async (text) => {
    await writeFile(path.join(stateDir, "memory.json"), text);
    const file = new JsonStateFile(stateDir, silentLogger);
    expect(await file.load()).toBeNull();
    expect(await readdir(stateDir)).toEqual(["memory.json.damaged"]);
    await file.save(memory);
    expect(await file.load()).toEqual(memory);
  });

  it("is not disturbed by a write that a crash cut short", async () => {
    const file = new JsonStateFile(stateDir, silentLogger);
    await file.save(memory);
    await writeFile(path.join(stateDir, "memory.json.new"), '{"v":1,');
    expect(await file.load()).toEqual(memory);
    await file.save({ ...memory, epoch: 99 });
    expect(await file.load()).toMatchObject({ epoch: 99 });
  });
});

describe("IdentityFiles", () => {
  const joined = {
    nodeId: "n-1",
    generation: 1,
    cpId: "cp-1",
    kind: "edge" as const,
    site: "north",
    zone: "a",
    urls: ["ws://127.0.0.1:1"],
  };

  it("makes the key once, keeps it to its owner, and signs with it after a restart", async () => {
    const store = new IdentityFiles(stateDir);
    const key = await store.joinKey();
    expect((await new IdentityFiles(stateDir).joinKey()).publicKey).toBe(key.publicKey);
    expect((await stat(path.join(stateDir, "node.key"))).mode & 0o777).toBe(0o600);
    await store.store(joined, { name: "edge-a", pin: "none", tokenId: "t-1" });
    const identity = await new IdentityFiles(stateDir).load();
    expect(identity).toMatchObject({ ...joined, name: "edge-a", pin: "none", publicKey: key.publicKey });
    expect(keys.verify(key.publicKey, "a text", identity?.sign("a text") ?? "")).toBe(true);
    expect(await readFile(path.join(stateDir, "identity.json"), "utf8")).not.toContain("PRIVATE");
  });

  const removed = async (): Promise<string[]> => (await readdir(stateDir)).filter((name) => name.endsWith(".removed"));

  it("joins again with a key of its own, and stays what it is until that was accepted", async () => {
    const store = new IdentityFiles(stateDir);
    const { publicKey } = await store.store(joined, { name: "edge-a", pin: "none", tokenId: "t-1" });
    await store.markRemoved();
    expect(await new IdentityFiles(stateDir).load()).toMatchObject({ isRemoved: true, tokenId: "t-1", publicKey });
    const callers = new JsonCallersFile(stateDir);
    await callers.save({ digest: "d", keys: [], confirmedAt: 1, ranMs: 0 });
    const joining = await new IdentityFiles(stateDir).joinKey();
    expect(joining.publicKey).not.toBe(publicKey);
    // A refusal, or a kill while it waits for the answer.
    expect(await new IdentityFiles(stateDir).load()).toMatchObject({ nodeId: "n-1", publicKey });
    expect(await removed()).toEqual([]);
    const again = new IdentityFiles(stateDir);
    await again.store({ ...joined, nodeId: "n-2" }, { name: "edge-a", pin: "none", tokenId: "t-2" });
    expect(await new IdentityFiles(stateDir).load()).toMatchObject({
      nodeId: "n-2",
      tokenId: "t-2",
      isRemoved: false,
      publicKey: joining.publicKey,
    });
    expect(await callers.load()).toBeNull();
    expect(await removed()).toEqual(["callers.json.removed", "identity.json.removed", "node.key.removed"]);
  });

  it.each([
    ["before the old files are set aside", []],
    ["when the old identity is set aside", ["identity.json"]],
    ["when the old key is set aside too", ["identity.json", "node.key"]],
    ["when the new key is in its place", ["identity.json", "node.key", "node.key.joining"]],
  ])("is the new one after a kill %s, once that was accepted", async (_when, moved) => {
    const store = new IdentityFiles(stateDir);
    await store.store(joined, { name: "edge-a", pin: "none", tokenId: "t-1" });
    const { publicKey } = await store.joinKey();
    const identity = { ...joined, nodeId: "n-2", name: "edge-a", pin: "none", tokenId: "t-2", publicKey };
    await writeFile(path.join(stateDir, "identity.json.joining"), JSON.stringify(identity));
    for (const name of moved) {
      const to = name.endsWith(".joining") ? name.replace(".joining", "") : `${name}.removed`;
      await rename(path.join(stateDir, name), path.join(stateDir, to));
    }
    for (const _start of [1, 2])
      expect(await new IdentityFiles(stateDir).load()).toMatchObject({ nodeId: "n-2", publicKey });
    expect(await removed()).toEqual(["identity.json.removed", "node.key.removed"]);
  });

  it("is null before the first join, and refuses to be another node when its files are damaged", async () => {
    const store = new IdentityFiles(stateDir);
    expect(await store.load()).toBeNull();
    await store.store(joined, { name: "edge-a", pin: "none", tokenId: "t-1" });
    await rm(path.join(stateDir, "node.key"));
    await expect(store.load()).rejects.toThrow("node.key");
    const other = await mkdtemp(path.join(tmpdir(), "skerry-state-"));
    await new IdentityFiles(other).joinKey();
    await rename(path.join(other, "node.key"), path.join(stateDir, "node.key"));
    await rm(other, { recursive: true });
    await expect(store.load()).rejects.toThrow("identity.json is damaged");
  });
});
