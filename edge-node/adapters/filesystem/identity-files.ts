import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { chmod, mkdir, readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { joinResponse, type JoinResponse } from "../../../shared/protocol/join-messages.ts";
import type { IdentityStore, NodeIdentity, NodeKey, RotatingKeys } from "../../ports/identity.ts";
import { CALLERS_FILE } from "./callers-file.ts";
import { unlessMissing, writeDurably } from "./durable.ts";

const identitySchema = joinResponse.extend({
  name: z.string(),
  pin: z.string(),
  publicKey: z.string(),
  tokenId: z.string().optional(),
  removed: z.boolean().optional(),
});

type Signer = "current" | "next" | "previous";

/**
 * `node.key` (mode 0600, never leaves the disk) and `identity.json` (what the control plane answered) in the state folder.
 * Beside them, while a node joins again, `node.key.joining` and for a moment `identity.json.joining`, which take their places.
 */
export class IdentityFiles implements IdentityStore, RotatingKeys {
  readonly #stateDir: string;
  readonly #keyPath: string;
  readonly #identityPath: string;
  readonly #joiningKeyPath: string;
  readonly #joiningIdentityPath: string;
  readonly #nextKeyPath: string;
  readonly #previousKeyPath: string;
  #key: NodeKey | undefined;
  #next: NodeKey | undefined;
  #previous: NodeKey | undefined;
  #signer: Signer = "current";

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
    this.#keyPath = join(stateDir, "node.key");
    this.#identityPath = join(stateDir, "identity.json");
    this.#joiningKeyPath = `${this.#keyPath}.joining`;
    this.#joiningIdentityPath = `${this.#identityPath}.joining`;
    this.#nextKeyPath = join(stateDir, "node.key.next");
    this.#previousKeyPath = join(stateDir, "node.key.previous");
  }

  async load(): Promise<NodeIdentity | null> {
    // A crash came after the control plane had accepted this machine again.
    if (await isThere(this.#joiningIdentityPath)) await this.#replaceIdentity();
    const text = await unlessMissing(readFile(this.#identityPath, "utf8"));
    if (text === undefined) return null;
    let key = await this.#readKey();
    if (!key) throw new Error(`${this.#identityPath} is here, but its key ${this.#keyPath} is not`);
    this.#next = await this.#readKey(this.#nextKeyPath);
    this.#previous = await this.#readKey(this.#previousKeyPath);
    try {
      const identity = identitySchema.parse(JSON.parse(text));
      if (identity.publicKey === this.#next?.publicKey) {
        // A crash came between the two writes of `adoptNext`.
        await rename(this.#nextKeyPath, this.#keyPath);
        key = this.#next;
        this.#next = undefined;
      } else if (identity.publicKey === this.#previous?.publicKey && identity.publicKey !== key.publicKey) {
        // A crash came between the two writes of `returnToPrevious`.
        await rename(this.#previousKeyPath, this.#keyPath);
        key = this.#previous;
        this.#previous = undefined;
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
    const file = (await isThere(this.#identityPath)) ? this.#joiningKeyPath : this.#keyPath;
    return (await this.#readKey(file)) ?? this.#makeKey(file);
  }

  async store(
    joined: JoinResponse,
    { name, pin, tokenId }: { readonly name: string; readonly pin: string; readonly tokenId: string | undefined },
  ): Promise<NodeIdentity> {
    const isAgain = await isThere(this.#identityPath);
    const key = await this.joinKey();
    const identity = { ...joined, name, pin, tokenId, publicKey: key.publicKey };
    const file = isAgain ? this.#joiningIdentityPath : this.#identityPath;
    await writeDurably(file, `${JSON.stringify(identity, null, 2)}\n`, 0o600);
    if (isAgain) await this.#replaceIdentity();
    this.#key = key;
    return { ...identity, isRemoved: false, ...this.#signing(key) };
  }

  get hasNext(): boolean {
    return this.#next !== undefined;
  }

  get signsWithNext(): boolean {
    return this.#signer === "next";
  }

  get signsWithPrevious(): boolean {
    return this.#signer === "previous";
  }

  async next(): Promise<NodeKey> {
    this.#next ??= await this.#makeKey(this.#nextKeyPath);
    return this.#next;
  }

  async adoptNext(): Promise<void> {
    const next = this.#next;
    if (next === undefined) return;
    // In this order: `load` finishes what a crash leaves between the two.
    await writeDurably(this.#previousKeyPath, await readFile(this.#keyPath, "utf8"), 0o600);
    await this.#identifyBy(next);
    await rename(this.#nextKeyPath, this.#keyPath);
    this.#previous = this.#key;
    this.#key = next;
    this.#next = undefined;
    this.#signer = "current";
  }

  async returnToPrevious(): Promise<void> {
    const [previous, current] = [this.#previous, this.#key];
    if (previous === undefined || current === undefined) return;
    // In this order, for the same reason.
    if (this.#next === undefined) await writeDurably(this.#nextKeyPath, await readFile(this.#keyPath, "utf8"), 0o600);
    await this.#identifyBy(previous);
    await rename(this.#previousKeyPath, this.#keyPath);
    this.#next ??= current;
    this.#key = previous;
    this.#previous = undefined;
    this.#signer = "current";
  }

  signWithOther(): boolean {
    const signers: readonly Signer[] = [
      "current",
      ...(this.#next ? (["next"] as const) : []),
      ...(this.#previous ? (["previous"] as const) : []),
    ];
    this.#signer = signers[(signers.indexOf(this.#signer) + 1) % signers.length] ?? "current";
    return this.#signer !== "current";
  }

  async #identifyBy({ publicKey }: NodeKey): Promise<void> {
    const identity = identitySchema.parse(JSON.parse(await readFile(this.#identityPath, "utf8")));
    await writeDurably(this.#identityPath, `${JSON.stringify({ ...identity, publicKey }, null, 2)}\n`, 0o600);
  }

  /** With whatever key proofs are signed by at that time. */
  #signing(key: NodeKey): NodeKey {
    const keys = (): Readonly<Record<Signer, NodeKey | undefined>> => ({
      current: this.#key,
      next: this.#next,
      previous: this.#previous,
    });
    const signer = (): NodeKey => keys()[this.#signer] ?? key;
    return { publicKey: key.publicKey, sign: (text) => signer().sign(text) };
  }

  async markRemoved(): Promise<void> {
    const text = await unlessMissing(readFile(this.#identityPath, "utf8"));
    if (text === undefined) return;
    const identity = { ...identitySchema.parse(JSON.parse(text)), removed: true };
    await writeDurably(this.#identityPath, `${JSON.stringify(identity, null, 2)}\n`, 0o600);
  }

  /** Goes on where a crash left it: the key's move is the last that needs the old files out of the way. */
  async #replaceIdentity(): Promise<void> {
    if (await isThere(this.#joiningKeyPath)) {
      await this.#setAside();
      await rename(this.#joiningKeyPath, this.#keyPath);
    }
    await rename(this.#joiningIdentityPath, this.#identityPath);
    this.#next = undefined;
    this.#previous = undefined;
    this.#signer = "current";
  }

  async #setAside(): Promise<void> {
    const keys = [this.#previousKeyPath, this.#nextKeyPath, this.#keyPath];
    // What this control plane said goes with it: another one has other placements, and other callers.
    const said = ["memory.json", CALLERS_FILE].map((name) => join(this.#stateDir, name));
    for (const file of [...said, this.#identityPath, ...keys]) await unlessMissing(rename(file, `${file}.removed`));
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

const isThere = async (file: string): Promise<boolean> => (await unlessMissing(stat(file))) !== undefined;

function keyOf(privateKey: KeyObject): NodeKey {
  const { x = "" } = createPublicKey(privateKey).export({ format: "jwk" });
  return { publicKey: x, sign: (text) => sign(null, Buffer.from(text), privateKey).toString("base64url") };
}
