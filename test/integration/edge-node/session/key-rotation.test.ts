import { mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { keys } from "../../../../control-plane/adapters/system/ed25519.ts";
import { IdentityFiles } from "../../../../edge-node/adapters/filesystem/identity-files.ts";
import { KeyRotation } from "../../../../edge-node/app/session/key-rotation.ts";
import type { NodeIdentity } from "../../../../edge-node/ports/identity.ts";
import { CLOSE } from "../../../../shared/protocol/close-codes.ts";
import { keyRotationText } from "../../../../shared/protocol/proofs.ts";
import { silentLogger } from "../../../support/silent-logger.ts";

interface Said {
  readonly publicKey: string;
  readonly sigOld: string;
  readonly sigNew: string;
}

let folder: string;
let store: IdentityFiles;
let identity: NodeIdentity;
let rotation: KeyRotation;
let said: Said[];
const channel = { send: (message: Said) => said.push(message) } as never;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "skerry-keys-"));
  const joined = {
    nodeId: "n-1",
    generation: 1,
    cpId: "cp-1",
    kind: "edge",
    site: "s",
    zone: "z",
    urls: ["ws://127.0.0.1:1"],
  } as const;
  await new IdentityFiles(folder).store(
    { ...joined, urls: [...joined.urls] },
    { name: "edge-a", pin: "none", tokenId: undefined },
  );
  await open();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** As the process does when it starts. */
async function open(): Promise<void> {
  store = new IdentityFiles(folder);
  const loaded = await store.load();
  if (loaded === null) throw new Error("there is no identity");
  identity = loaded;
  said = [];
  rotation = new KeyRotation({ identity, keys: store, logger: silentLogger });
}

const isSignedBy = (publicKey: string): boolean => keys.verify(publicKey, "text", identity.sign("text"));
const last = (): Said => said.at(-1) as Said;

describe("the key of a node", () => {
  it("is replaced when the control plane has recorded the next one, which both have signed", async () => {
    const { publicKey: before } = identity;
    await rotation.due(channel);
    const text = keyRotationText({ nodeId: "n-1", generation: 1, publicKey: last().publicKey });
    expect(keys.verify(before, text, last().sigOld)).toBe(true);
    expect(keys.verify(last().publicKey, text, last().sigNew)).toBe(true);
    expect(isSignedBy(before)).toBe(true);
    expect((await stat(path.join(folder, "node.key.next"))).mode & 0o777).toBe(0o600);
    await rotation.answered(channel, said.length + 5);
    expect(isSignedBy(before)).toBe(true);
    await rotation.answered(channel, said.length);
    expect(isSignedBy(last().publicKey)).toBe(true);
    const { publicKey } = last();
    await open();
    expect(isSignedBy(publicKey)).toBe(true);
    expect(store.hasNext).toBe(false);
  });

  it("is said again in the next session when the answer was lost", async () => {
    await rotation.due(channel);
    const { publicKey } = last();
    await open();
    await rotation.began(channel);
    expect(last().publicKey).toBe(publicKey);
    await rotation.answered(channel, said.length);
    expect(isSignedBy(publicKey)).toBe(true);
  });

  it("gives way to the next one when proofs by it are refused, and back", async () => {
    const { publicKey: before } = identity;
    rotation.refused(CLOSE.BAD_PROOF);
    expect(isSignedBy(before)).toBe(true);
    await rotation.due(channel);
    const { publicKey } = last();
    rotation.refused(CLOSE.RESTART);
    expect(isSignedBy(before)).toBe(true);
    rotation.refused(CLOSE.BAD_PROOF);
    expect(isSignedBy(publicKey)).toBe(true);
    rotation.refused(CLOSE.BAD_PROOF);
    expect(isSignedBy(before)).toBe(true);
    rotation.refused(CLOSE.BAD_PROOF);
    await rotation.began(channel);
    expect(store.hasNext).toBe(false);
    await open();
    expect(isSignedBy(publicKey)).toBe(true);
  });

  it("is the one before again where the control plane knows no other, as after a restored backup, and is replaced at once", async () => {
    const { publicKey: before } = identity;
    await rotation.due(channel);
    await rotation.answered(channel, said.length);
    const { publicKey: present } = last();
    await open();
    expect(rotation.refused(CLOSE.BAD_PROOF)).toBe(true);
    expect(isSignedBy(before)).toBe(true);
    await rotation.began(channel);
    expect(isSignedBy(before)).toBe(true);
    expect(last().publicKey).toBe(present);
    const text = keyRotationText({ nodeId: "n-1", generation: 1, publicKey: present });
    expect(keys.verify(before, text, last().sigOld)).toBe(true);
    await open();
    expect(isSignedBy(before)).toBe(true);
    await rotation.began(channel);
    await rotation.answered(channel, said.length);
    expect(isSignedBy(present)).toBe(true);
  });

  it("is one that works after a change that is due while the one before is put back", async () => {
    await rotation.due(channel);
    await rotation.answered(channel, said.length);
    await open();
    rotation.refused(CLOSE.BAD_PROOF);
    await Promise.all([rotation.began(channel), rotation.due(channel)]);
    await rotation.answered(channel, said.length);
    const { publicKey } = last();
    expect(isSignedBy(publicKey)).toBe(true);
    await open();
    expect(isSignedBy(publicKey)).toBe(true);
    expect(store.hasNext).toBe(false);
  });

  it("is replaced by one alone when it is due twice at once, and answered while the next change begins", async () => {
    await Promise.all([rotation.due(channel), rotation.due(channel)]);
    expect(new Set(said.map(({ publicKey }) => publicKey)).size).toBe(1);
    await Promise.all([rotation.answered(channel, said.length), rotation.due(channel)]);
    await rotation.answered(channel, said.length);
    const { publicKey } = last();
    expect(isSignedBy(publicKey)).toBe(true);
    await open();
    expect(isSignedBy(publicKey)).toBe(true);
    expect(store.hasNext).toBe(false);
  });

  it("says when all of its keys were refused", async () => {
    expect(rotation.refused(CLOSE.BAD_PROOF)).toBe(false);
    await rotation.due(channel);
    await rotation.answered(channel, said.length);
    await rotation.due(channel);
    expect([1, 2, 3].map(() => rotation.refused(CLOSE.BAD_PROOF))).toEqual([true, true, false]);
    expect(rotation.refused(CLOSE.RESTART)).toBe(false);
  });

  it("is the one before after a crash while that is put back", async () => {
    const { publicKey: before } = identity;
    await rotation.due(channel);
    await rotation.answered(channel, said.length);
    await open();
    const file = path.join(folder, "identity.json");
    await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), publicKey: before }));
    await open();
    expect(isSignedBy(before)).toBe(true);
  });

  it("is the new one after a crash between the two files", async () => {
    await rotation.due(channel);
    const { publicKey } = last();
    await rename(path.join(folder, "node.key.next"), path.join(folder, "kept"));
    const file = path.join(folder, "identity.json");
    await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), publicKey }));
    await expect(open()).rejects.toThrow(/is damaged/);
    await rename(path.join(folder, "kept"), path.join(folder, "node.key.next"));
    await open();
    expect(isSignedBy(publicKey)).toBe(true);
  });
});
