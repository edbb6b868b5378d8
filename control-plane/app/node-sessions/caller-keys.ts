import type { Clock } from "../../../shared/base/clock.ts";
import { digestOf } from "../../../shared/base/digest.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { type CallerKey, MAX_KEYS_PER_MESSAGE } from "../../../shared/protocol/messages/caller-keys.ts";
import { keysForNode } from "../../core/access/keys-for-node.ts";
import { isWanted, placementsOn } from "../../core/fleet/queries.ts";
import type { FleetPlacement } from "../../core/fleet/types.ts";
import type { GoodKey, KeyStore } from "../../ports/access/keys.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { NodeSession } from "./node-session.ts";

/** After a change, so that several are one message. */
const GATHER_MS = 200;
/** Covers lost notifications, keys that expire and labels that change: the bound on a revocation that nobody announced. */
const LOOK_MS = 5_000;
/** A node compares a caller with one of them; so many are 300 KiB on its way and in its memory. */
const MAX_KEYS = 2_000;
/** Below the largest message by more than the longest key. */
const PAGE_BYTES = 48_000;

type Session = Pick<NodeSession, "nodeId" | "control">;

interface KeySet {
  readonly digest: string;
  readonly pages: () => CallerKey[][];
}

/**
 * Of one look, by the models and deployments that a node holds: most nodes of a fleet hold the same. With 2,000 keys each set
 * takes 2.3 ms, so a look at 1,000 nodes took 2.3 s of every five.
 */
type KeySets = Map<string, KeySet>;

interface Parts {
  readonly store: Pick<KeyStore, "good">;
  readonly fleet: Pick<FleetCache, "snapshot">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Tells nodes whose own address asks for keys which API keys it takes: hashes alone, and only those that may ask for what the
 * node holds. A node hears of a change within a second, of one whose notification was lost within 5 s. While no node asks,
 * nothing is read.
 */
export class CallerKeys {
  readonly #parts: Parts;
  /** What each node has, by digest. */
  readonly #sessions = new Map<Session, string | undefined>();
  /** Those whose placements changed, or that have asked. */
  readonly #due = new Set<Session>();
  /** Those that wait for an answer, also if it is that nothing has changed. */
  readonly #waiting = new Set<Session>();
  #keys: readonly GoodKey[] = [];
  #readAt = -Infinity;
  #isReading = false;
  /** A look was due during one: what it was for may have come after its read. */
  #isAsked = false;
  #hasFailed = false;
  #cancel: (() => void) | undefined;
  #isSoon = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The node asks, and is told of changes from now on. `has`: the digest of those that it has. */
  asked(session: Session, has: string | undefined): void {
    this.#sessions.set(session, has);
    this.#due.add(session);
    this.#waiting.add(session);
    this.#soon();
  }

  ended(session: Session): void {
    this.#sessions.delete(session);
    this.#due.delete(session);
    this.#waiting.delete(session);
  }

  /** A key was made, rotated or revoked somewhere. */
  changed(): void {
    this.#readAt = -Infinity;
    if (this.#sessions.size > 0) this.#soon();
  }

  placementsChanged(nodeIds: ReadonlySet<string>): void {
    if (this.#sessions.size === 0 || nodeIds.size === 0) return;
    for (const session of this.#sessions.keys()) if (nodeIds.has(session.nodeId)) this.#due.add(session);
    if (this.#due.size > 0) this.#soon();
  }

  #soon(): void {
    if (this.#isSoon) return;
    this.#isSoon = true;
    this.#schedule(GATHER_MS);
  }

  #schedule(ms: number): void {
    this.#cancel?.();
    this.#cancel = this.#parts.clock.after(ms, () => {
      this.#cancel = undefined;
      this.#isSoon = false;
      void this.#look();
    });
  }

  async #look(): Promise<void> {
    if (this.#isReading) {
      this.#isAsked = true;
      return;
    }
    if (this.#sessions.size === 0) return;
    this.#isReading = true;
    const { clock, store, logger } = this.#parts;
    const now = clock.now();
    try {
      if (now - this.#readAt >= LOOK_MS - GATHER_MS) {
        this.#readAt = now;
        this.#keys = await store.good(MAX_KEYS);
        for (const session of this.#sessions.keys()) this.#due.add(session);
      }
      this.#hasFailed = false;
      const sets: KeySets = new Map();
      for (const session of this.#due) this.#send(session, sets);
      this.#due.clear();
    } catch (error) {
      this.#readAt = -Infinity;
      if (!this.#hasFailed) logger.warn({ error: messageOf(error) }, "nodes cannot be told the API keys; tried again");
      this.#hasFailed = true;
    } finally {
      this.#isReading = false;
      if (this.#isAsked) this.#soon();
      this.#isAsked = false;
      if (this.#cancel === undefined && this.#sessions.size > 0) this.#schedule(LOOK_MS);
    }
  }

  #send(session: Session, sets: KeySets): void {
    const has = this.#sessions.get(session);
    const placements = placementsOn(this.#parts.fleet.snapshot(), session.nodeId).filter(isWanted);
    const { digest, pages: all } = this.#keysFor(placements, sets);
    if (!this.#waiting.delete(session) && has === digest) return;
    this.#sessions.set(session, digest);
    const pages = has === digest ? [] : all();
    if (pages.length === 0) session.control.send({ type: "caller.keys", digest, page: 0, pages: 0, keys: [] });
    pages.forEach((page, index) =>
      session.control.send({ type: "caller.keys", digest, page: index, pages: pages.length, keys: page }),
    );
  }

  #keysFor(placements: readonly FleetPlacement[], sets: KeySets): KeySet {
    const held = new Set(placements.map(({ model, deployment }) => JSON.stringify([model, deployment])));
    const name = [...held].toSorted((a, b) => (a < b ? -1 : 1)).join();
    const known = sets.get(name);
    if (known) return known;
    const found = keysForNode(this.#keys, placements);
    // What is left of a key's life differs with each look; when it ends does not.
    const lasting = found.map(({ of, expiresInMs: _left, ...key }) => [key, of.expiresAt]);
    let pages: CallerKey[][] | undefined;
    const set: KeySet = {
      digest: digestOf(JSON.stringify(lasting)),
      pages: () => (pages ??= pagesOf(found.map(({ of: _of, ...key }) => key))),
    };
    sets.set(name, set);
    return set;
  }
}

/** One page at least, so that a node with keys hears that it has none any more. */
function pagesOf(keys: readonly CallerKey[]): CallerKey[][] {
  const pages: CallerKey[][] = [];
  let page: CallerKey[] = [];
  let bytes = 0;
  for (const key of keys) {
    const size = JSON.stringify(key).length;
    if (page.length >= MAX_KEYS_PER_MESSAGE || bytes + size > PAGE_BYTES) {
      pages.push(page);
      [page, bytes] = [[], 0];
    }
    page.push(key);
    bytes += size;
  }
  return [...pages, page];
}
