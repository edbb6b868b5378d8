import type { z } from "zod";
import { canonicalJson, digestOf } from "../../../base/digest.ts";
import type { auditEntry, auditHead } from "../events.ts";

type Entry = z.infer<typeof auditEntry>;

/** `prev` of the first entry of a log. */
export const CHAIN_START = "0".repeat(64);
/** The action of an entry that says what retention deletes: `detail` has the newest entry that goes, and its hash. */
export const CUT = "audit.cut";

/** Hex SHA-256 of the hash before and the entry in the one spelling of RFC 8785. */
export function chainHash(prev: string, entry: Omit<Entry, "prev" | "hash">): string {
  const { id, at, actor, keyId, address, requestId, action, target, detail } = entry;
  const fields = canonicalJson({ id, at, actor, keyId, address, requestId, action, target, detail });
  return digestOf(`${prev}\n${fields}`).slice("sha256:".length);
}

export interface ChainReport {
  /** What contradicts the chain, a sentence each; empty: the log is whole. At most a hundred. */
  readonly findings: readonly string[];
  /** Entries whose hash was computed again. */
  readonly checked: number;
  /** Entries from before the log had a chain: nothing can be said of them. */
  readonly older: number;
}

const MAX_FINDINGS = 100;

/**
 * Follows a log from its head back to its start, entry by entry, newest first. Any entry that was changed, deleted,
 * swapped or inserted since it was written breaks the chain at it or beside it.
 */
export class AuditChainCheck {
  readonly #findings: string[] = [];
  readonly #cuts = new Map<string, unknown>();
  readonly #known: ReadonlyMap<string, string>;
  /** Of `#known`, those that have not come yet. */
  readonly #unseen: Set<string>;
  /** The entry that has to come next; its hash is undefined when the entry after it is missing. */
  #next: { readonly id: bigint; readonly hash: string | undefined };
  #checked = 0;
  #older = 0;

  /** `known`: hashes by entry that somebody wrote down outside the database. Each has to be in the chain. */
  constructor(head: z.infer<typeof auditHead>, known: ReadonlyMap<string, string> = new Map()) {
    this.#next = { id: BigInt(head.id), hash: head.hash };
    this.#known = known;
    this.#unseen = new Set(known.keys());
    if (head.newest !== head.id)
      this.#find(`the head is entry ${head.id}, but the newest entry is ${head.newest}: entries were added or removed`);
  }

  add(entry: Entry): void {
    const { prev, hash, ...fields } = entry;
    if (prev === null || hash === null) return this.#addOlder(entry.id);
    const id = BigInt(entry.id);
    if (id > this.#next.id) return this.#find(`entry ${id} is not part of the chain: it was inserted`);
    if (id < this.#next.id) {
      this.#find(`${span(id + 1n, this.#next.id)} missing`);
      this.#next = { id, hash: undefined };
    }
    const isOwn = chainHash(prev, fields) === hash;
    const isFollowed = this.#next.hash === undefined || this.#next.hash === hash;
    if (!isOwn || !isFollowed) this.#find(`entry ${id} is not what was written: it was changed or replaced`);
    this.#unseen.delete(entry.id);
    const known = this.#known.get(entry.id);
    if (known !== undefined && known !== hash)
      this.#find(`entry ${id} has another hash than was noted: it or an entry before it was changed`);
    if (entry.action === CUT && typeof entry.detail["through"] === "string")
      this.#cuts.set(entry.detail["through"], entry.detail["hash"]);
    this.#checked += 1;
    this.#next = { id: id - 1n, hash: prev };
  }

  /** After the oldest entry. */
  end(): ChainReport {
    const { id, hash } = this.#next;
    const isCut = this.#cuts.get(String(id)) === hash && hash !== undefined;
    if (hash !== CHAIN_START && !isCut)
      this.#find(`entries up to ${id} are missing, and no entry says that they were deleted because of their age`);
    for (const noted of this.#unseen) {
      const isOfAge = isCut && BigInt(noted) <= id;
      this.#find(`entry ${noted} was noted, and ${isOfAge ? "was deleted because of its age" : "is not in the chain"}`);
    }
    return { findings: this.#findings, checked: this.#checked, older: this.#older };
  }

  #addOlder(id: string): void {
    if (this.#next.hash !== CHAIN_START || BigInt(id) > this.#next.id)
      this.#find(`entry ${id} has no hash, and is not from before the chain`);
    else this.#older += 1;
  }

  #find(what: string): void {
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push(what);
  }
}

const span = (first: bigint, last: bigint): string =>
  first === last ? `entry ${first} is` : `entries ${first} to ${last} are`;
