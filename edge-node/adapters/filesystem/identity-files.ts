import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { chmod, mkdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { joinResponse, type JoinResponse } from "../../../shared/protocol/join-messages.ts";
import type { IdentityStore, NodeIdentity, NodeKey, RotatingKeys } from "../../ports/identity.ts";
import { unlessMissing, writeDurably } from "./durable.ts";

const identitySchema = joinResponse.extend({
  name: z.string(),
  pin: z.string(),
  publicKey: z.string(),
  tokenId: z.string().optional(),
  removed: z.boolean().optional(),
});

/** `node.key` (mode 0600, never leaves the disk) and `identity.json` (what the control plane answered) in the state folder. */
export class IdentityFiles implements IdentityStore, RotatingKeys {
  readonly #stateDir: string;
  readonly #keyPath: string;
  readonly #identityPath: string;
  readonly #nextKeyPath: string;
  #key: NodeKey | undefined;
  #next: NodeKey | undefined;
  #signsWithNext = false;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
    this.#keyPath = join(stateDir, "node.key");
    this.#identityPath = join(stateDir, "identity.json");
    this.#nextKeyPath = join(stateDir, "node.key.next");
  }

  async load(): Promise<NodeIdentity | null> {
    const text = await unlessMissing(readFile(this.#identityPath, "utf8"));
    if (text === undefined) return null;
    let key = await this.#readKey();
    if (!key) throw new Error(`${this.#identityPath} is here, but its key ${this.#keyPath} is not`);
    this.#next = await this.#readKey(this.#nextKeyPath);
    try {
      const identity = identitySchema.parse(JSON.parse(text));
      if (identity.publicKey === this.#next?.publicKey) {
        // A crash came between the two writes of `adoptNext`.
        await rename(this.#nextKeyPath, this.#keyPath);
        key = this.#next;
        this.#next = undefined;
      }
      if (identity.publicKey !== key.publicKey) throw new Error("the key is another one");
      this.#key = key;
      return { ...identity, tokenId: identity.tokenId, isRemoved: identity.removed === true, ...this.#signing(key) };
    } catch (error) {
      throw new Error(`${this.#identityPath} is damaged; restore it, or delete it and join again`, { cause: error });
    }
  }

  async joinKey(): Promise<NodeKey> {
    await mkdir(this.#stateDir, { recursive: true, mode: 0o700 });
    return (await this.#readKey()) ?? this.#makeKey(this.#keyPath);
  }

  async store(
    joined: JoinResponse,
    { name, pin, tokenId }: { readonly name: string; readonly pin: string; readonly tokenId: string | undefined },
  ): Promise<NodeIdentity> {
    const key = await this.joinKey();
    const identity = { ...joined, name, pin, tokenId, publicKey: key.publicKey };
    await writeDurably(this.#identityPath, `${JSON.stringify(identity, null, 2)}\n`, 0o600);
    this.#key = key;
    return { ...identity, isRemoved: false, ...this.#signing(key) };
  }

  get hasNext(): boolean {
    return this.#next !== undefined;
  }

  get signsWithNext(): boolean {
    return this.#signsWithNext;
  }

  async next(): Promise<NodeKey> {
    this.#next ??= await this.#makeKey(this.#nextKeyPath);
    return this.#next;
  }

  async adoptNext(): Promise<void> {
    const next = this.#next;
    if (next === undefined) return;
    // In this order: `load` finishes what a crash leaves between the two.
    const identity = identitySchema.parse(JSON.parse(await readFile(this.#identityPath, "utf8")));
    const adopted = { ...identity, publicKey: next.publicKey };
    await writeDurably(this.#identityPath, `${JSON.stringify(adopted, null, 2)}\n`, 0o600);
    await rename(this.#nextKeyPath, this.#keyPath);
    this.#key = next;
    this.#next = undefined;
    this.#signsWithNext = false;
  }

  signWithOther(): void {
    this.#signsWithNext = !this.#signsWithNext && this.#next !== undefined;
  }

  /** With whatever key proofs are signed by at that time. */
  #signing(key: NodeKey): NodeKey {
    const signer = (): NodeKey => (this.#signsWithNext ? this.#next : this.#key) ?? key;
    return { publicKey: key.publicKey, sign: (text) => signer().sign(text) };
  }

  async markRemoved(): Promise<void> {
    const text = await unlessMissing(readFile(this.#identityPath, "utf8"));
    if (text === undefined) return;
    const identity = { ...identitySchema.parse(JSON.parse(text)), removed: true };
    await writeDurably(this.#identityPath, `${JSON.stringify(identity, null, 2)}\n`, 0o600);
  }

  async setAside(): Promise<void> {
    // In this order: whatever a crash leaves, the next start joins.
    for (const file of [join(this.#stateDir, "memory.json"), this.#identityPath, this.#nextKeyPath, this.#keyPath])
      await unlessMissing(rename(file, `${file}.removed`));
  }

  async #makeKey(file: string): Promise<NodeKey> {
    const { privateKey } = generateKeyPairSync("ed25519");
    await writeDurably(file, privateKey.export({ type: "pkcs8", format: "pem" }).toString(), 0o600);
    return keyOf(privateKey);
  }

  async #readKey(file = this.#keyPath): Promise<NodeKey | undefined> {
    const pem = await unlessMissing(readFile(file, "utf8"));
    if (pem === undefined) return undefined;
    await chmod(file, 0o600);
    return keyOf(createPrivateKey(pem));
  }
}

function keyOf(privateKey: KeyObject): NodeKey {
  const { x = "" } = createPublicKey(privateKey).export({ format: "jwk" });
  return { publicKey: x, sign: (text) => sign(null, Buffer.from(text), privateKey).toString("base64url") };
}
