import { sleep, type Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import { isOrphaned } from "../../core/fleet/node-status.ts";
import type { FleetNode } from "../../core/fleet/types.ts";
import type { Peer, SessionStore } from "../../ports/nodes/nodes.ts";
import type { PeerDialer } from "../../ports/nodes/peers.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import { PeerLink } from "./peer-link.ts";

/** Least time between two reads of who the others are: anybody can name a replica that does not exist. */
const READ_SPACING_MS = 1_000;
/** A link may be missing without a change in the fleet: PostgreSQL was away, or the other one did not reach it for a while. */
const LOOK_MS = 5_000;

interface Parts {
  /** The id of this control plane. */
  readonly replica: string;
  readonly fleet: Pick<FleetCache, "onChange" | "snapshot">;
  readonly sessions: Pick<SessionStore, "peers">;
  readonly dialer: PeerDialer;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * The links to the other control planes: one to each that holds the session of a node, from when the fleet first shows it
 * until it is neither reached nor recorded as living. Nothing is read or sent for it in a fleet of one control plane.
 */
export class PeerLinks {
  readonly #parts: Parts;
  readonly #links = new Map<string, PeerLink>();
  /** Those that lived at the last read, by id. */
  #peers: ReadonlyMap<string, Peer> = new Map();
  /** Replicas that hold nodes, are not linked, and are being looked for. */
  readonly #unlinked = new Set<string>();
  readonly #stopping = new AbortController();
  #reading: Promise<void> | undefined;
  #readAt = -Infinity;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    const { fleet } = this.#parts;
    fleet.onChange(({ nodes }, { nodes: all }) => nodes.forEach((id) => this.#look(all.get(id))));
    void this.#keepLooking();
  }

  stop(): void {
    this.#stopping.abort(new Error("this control plane stops"));
    for (const link of this.#links.values()) link.stop();
    this.#links.clear();
  }

  /** The link to a replica; undefined when there is none. */
  to(replica: string): PeerLink | undefined {
    return this.#links.get(replica);
  }

  all(): readonly PeerLink[] {
    return [...this.#links.values()];
  }

  /** Round trips to the other control planes that are linked, by their ids, in ms; none that has not been measured yet. */
  hops(): ReadonlyMap<string, number> {
    return new Map([...this.#links].flatMap(([id, { hopMs }]) => (hopMs > 0 ? [[id, hopMs] as const] : [])));
  }

  counts(): { readonly open: number; readonly broken: number } {
    const open = this.all().filter(({ inference }) => inference !== undefined).length;
    return { open, broken: this.#links.size - open };
  }

  /** Another control plane that lives, as it is recorded; undefined: there is none with this id. Rejects while PostgreSQL is away. */
  async find(replica: string): Promise<Peer | undefined> {
    if (!this.#peers.has(replica)) await this.#read();
    return this.#peers.get(replica);
  }

  async #keepLooking(): Promise<void> {
    const { fleet, clock } = this.#parts;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      for (const node of fleet.snapshot().nodes.values()) this.#look(node);
      await sleep(clock, LOOK_MS, signal).catch(() => undefined);
    }
  }

  #look(node: FleetNode | undefined): void {
    const { replica: self, clock } = this.#parts;
    if (!node?.session?.open || isOrphaned(node, node.session, clock.now())) return;
    const { replica } = node.session;
    if (replica === self || this.#links.has(replica) || this.#unlinked.has(replica)) return;
    if (this.#peers.get(replica)?.url === null) return; // it cannot be dialled, and never will
    this.#unlinked.add(replica);
    this.#readAndLink();
  }

  #readAndLink(): void {
    this.#read().then(
      () => this.#link(),
      (error: unknown) => {
        this.#unlinked.clear(); // those that still hold nodes are found again
        this.#parts.logger.debug({ error: messageOf(error) }, "the other control planes could not be read");
      },
    );
  }

  /** Reads who the others are. Calls during a read share it; calls soon after it wait until the next one is due. */
  #read(): Promise<void> {
    this.#reading ??= this.#readWhenDue().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async #readWhenDue(): Promise<void> {
    const { clock, sessions, replica } = this.#parts;
    const waitMs = this.#readAt + READ_SPACING_MS - clock.now();
    if (waitMs > 0) await sleep(clock, waitMs, this.#stopping.signal);
    this.#readAt = clock.now();
    const peers = await sessions.peers(replica);
    this.#peers = new Map(peers.map((peer) => [peer.id, peer]));
  }

  #link(): void {
    if (this.#stopping.signal.aborted) return;
    for (const [id, link] of this.#links) {
      // One that is reached lives, though PostgreSQL may be out of its reach.
      if (this.#peers.has(id) || link.inference) continue;
      link.stop();
      this.#links.delete(id);
    }
    for (const id of this.#unlinked) {
      const peer = this.#peers.get(id);
      if (peer?.url == null) continue;
      const { url } = peer;
      this.#links.set(id, new PeerLink({ ...this.#parts, peer: { ...peer, url }, onDown: () => this.#readAndLink() }));
    }
    this.#unlinked.clear();
  }
}
