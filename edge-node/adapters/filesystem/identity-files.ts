import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { chmod, mkdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { joinResponse, type JoinResponse } from "../../../shared/protocol/join-messages.ts";
import type { IdentityStore, NodeIdentity, NodeKey } from "../../ports/identity.ts";
import { unlessMissing, writeDurably } from "./durable.ts";

const identitySchema = joinResponse.extend({
  name: z.string(),
  pin: z.string(),
  publicKey: z.string(),
  tokenId: z.string().optional(),
  removed: z.boolean().optional(),
});

/** `node.key` (mode 0600, never leaves the disk) and `identity.json` (what the control plane answered) in the state folder. */
export class IdentityFiles implements IdentityStore {
  readonly #stateDir: string;
  readonly #keyPath: string;
  readonly #identityPath: string;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
    this.#keyPath = join(stateDir, "node.key");
    this.#identityPath = join(stateDir, "identity.json");
  }

  async load(): Promise<NodeIdentity | null> {
    const text = await unlessMissing(readFile(this.#identityPath, "utf8"));
    if (text === undefined) return null;
    const key = await this.#readKey();
    if (!key) throw new Error(`${this.#identityPath} is here, but its key ${this.#keyPath} is not`);
    try {
      const identity = identitySchema.parse(JSON.parse(text));
      if (identity.publicKey !== key.publicKey) throw new Error("the key is another one");
      return { ...identity, tokenId: identity.tokenId, isRemoved: identity.removed === true, ...key };
    } catch (error) {
      throw new Error(`${this.#identityPath} is damaged; restore it, or delete it and join again`, { cause: error });
    }
  }

  async joinKey(): Promise<NodeKey> {
    await mkdir(this.#stateDir, { recursive: true, mode: 0o700 });
    const known = await this.#readKey();
    if (known) return known;
    const { privateKey } = generateKeyPairSync("ed25519");
    await writeDurably(this.#keyPath, privateKey.export({ type: "pkcs8", format: "pem" }).toString(), 0o600);
    return keyOf(privateKey);
  }

  async store(
    joined: JoinResponse,
    { name, pin, tokenId }: { readonly name: string; readonly pin: string; readonly tokenId: string | undefined },
  ): Promise<NodeIdentity> {
    const key = await this.joinKey();
    const identity = { ...joined, name, pin, tokenId, publicKey: key.publicKey };
    await writeDurably(this.#identityPath, `${JSON.stringify(identity, null, 2)}\n`, 0o600);
    return { ...identity, isRemoved: false, ...key };
  }

  async markRemoved(): Promise<void> {
    const text = await unlessMissing(readFile(this.#identityPath, "utf8"));
    if (text === undefined) return;
    const identity = { ...identitySchema.parse(JSON.parse(text)), removed: true };
    await writeDurably(this.#identityPath, `${JSON.stringify(identity, null, 2)}\n`, 0o600);
  }

  async setAside(): Promise<void> {
    // In this order: whatever a crash leaves, the next start joins.
    for (const file of [join(this.#stateDir, "memory.json"), this.#identityPath, this.#keyPath])
      await unlessMissing(rename(file, `${file}.removed`));
  }

  async #readKey(): Promise<NodeKey | undefined> {
    const pem = await unlessMissing(readFile(this.#keyPath, "utf8"));
    if (pem === undefined) return undefined;
    await chmod(this.#keyPath, 0o600);
    return keyOf(createPrivateKey(pem));
  }
}

function keyOf(privateKey: KeyObject): NodeKey {
  const { x = "" } = createPublicKey(privateKey).export({ format: "jwk" });
  return { publicKey: x, sign: (text) => sign(null, Buffer.from(text), privateKey).toString("base64url") };
}
