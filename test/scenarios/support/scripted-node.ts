import { applyDelta, desiredDigest, EMPTY_DESIRED, type DesiredState } from "../../../shared/protocol/desired.ts";
import { nodeMessage } from "../../../shared/protocol/messages/node-messages.ts";
import type { ControlPlaneMessage } from "../../../shared/protocol/messages/control-plane-messages.ts";
import type { PlacementReport } from "../../../shared/protocol/messages/placement-report.ts";
import type { Unsent } from "../../../shared/protocol/messages/envelope.ts";
import type { NodeId } from "../../../shared/base/ids.ts";
import type { ControlSession, NodeSessionHandler } from "../../../control-plane/ports/nodes/channels.ts";
import { someCapabilities } from "../../integration/postgres/fixture.ts";

/** A node whose agent does what the story says: it confirms its desired state and reports what it is told to. */
export class ScriptedNode {
  readonly name: string;
  readonly id: NodeId;
  readonly #now: () => number;
  readonly #print: (line: string) => void;
  readonly #memMiB: number;
  readonly #states = new Map<string, PlacementReport>();
  #session: ControlSession | undefined;
  #gateway: NodeSessionHandler | undefined;
  #desired: { readonly rev: number; readonly state: DesiredState } = { rev: 0, state: EMPTY_DESIRED };
  #sentId = 0;
  #receivedId = 0;
  #answeredId = 0;
  #epoch = 0;
  #lastByteAt = 0;
  #offer: string | undefined;
  #isSilent = false;
  #served = "nothing";

  constructor(parts: { name: string; id: NodeId; memMiB: number; now: () => number; print: (line: string) => void }) {
    this.name = parts.name;
    this.id = parts.id;
    this.#memMiB = parts.memMiB;
    this.#now = parts.now;
    this.#print = parts.print;
  }

  /** Opens a session and answers in both directions, so that the node counts as ready. */
  async connect(gateway: NodeSessionHandler): Promise<void> {
    this.disconnect();
    this.#gateway = gateway;
    this.#isSilent = false;
    this.#hear();
    const { rev, state } = this.#desired;
    const hello = nodeMessage.parse({
      type: "hello",
      id: 0,
      nodeId: this.id,
      generation: 1,
      signature: "",
      bootId: "b-1",
      agentVersion: "0.1.0",
      features: [],
      clock: "",
      capabilities: { ...someCapabilities, memMiB: this.#memMiB },
      lastEpoch: this.#epoch,
      desired: { rev, digest: desiredDigest(state) },
      placements: [...this.#states.values()],
    });
    if (hello.type !== "hello") throw new Error("no hello");
    const session = await gateway.openControl(hello, this.id, {
      address: `${this.name}:1`,
      identity: { name: this.name, kind: "edge", publicKey: "", generation: 1, revoked: false },
      connect: () => ({
        send: (message) => this.#receive(message),
        close: () => this.#closed(session),
        lastByteAt: () => this.#lastByteAt,
        ping: () => undefined,
      }),
    });
    this.#session = session;
    this.#epoch = session.epoch;
    this.#receivedId += 1;
    this.#answeredId = this.#receivedId;
    session.started(this.#receivedId);
    this.heartbeat();
    this.heartbeat();
  }

  /** The socket closes: the control plane notices at once. */
  disconnect(): void {
    if (this.#session) this.#closed(this.#session);
  }

  /** Nothing more arrives from the node, and no socket closes: a pulled cable. */
  fallSilent(): void {
    this.#isSilent = true;
  }

  /** The control plane of `gateway` died: a socket to it is gone, and it cannot notice that. */
  lose(gateway: NodeSessionHandler): void {
    if (this.#gateway === gateway) this.#session = undefined;
  }

  heartbeat(): void {
    if (!this.#session || this.#isSilent) return;
    const { rev, state } = this.#desired;
    this.#say({ type: "heartbeat", acked: this.#answeredId, desiredRev: rev, digest: desiredDigest(state) });
  }

  /** Says how much of its disk of 10,000 MiB is free. */
  reportDisk(diskFreeMiB: number): void {
    this.#say({ type: "load", cpuPct: 1, memFreeMiB: 1_000, diskFreeMiB, rttMs: 1, rif: 0, placements: [] });
  }

  report(version: string, state: string, code?: string): void {
    const wanted = this.#desired.state.placements.find((each) => `${each.model}:${each.version}` === version);
    const known = wanted ?? this.#states.get(version);
    if (!known) throw new Error(`${this.name} has no placement of ${version}`);
    if (this.#offer !== undefined && !["offered", "downloading"].includes(state)) this.#finishTransfer();
    const { placementId, generation } = known;
    const failure = code === undefined ? {} : { code, detail: "as the story says" };
    const report = nodeMessage.parse({ type: "placement.status", id: 0, placementId, generation, state, ...failure });
    if (report.type !== "placement.status") throw new Error("no report");
    if (state === "gone") this.#states.delete(version);
    else this.#states.set(version, report);
    this.#say(report);
  }

  #finishTransfer(): void {
    const transferId = this.#offer;
    this.#offer = undefined;
    this.#say({ type: "transfer.accept", transferId });
    this.#say({ type: "transfer.done", transferId, received: 7, reused: 0 });
  }

  #receive(message: Unsent<ControlPlaneMessage>): number {
    this.#receivedId += 1;
    if (message.type === "heartbeat.ack") this.#answeredId = this.#receivedId;
    else if (message.type === "desired.snapshot")
      this.#adopt(message.rev, { cordoned: message.cordoned, placements: message.placements });
    else if (message.type === "desired.delta") this.#adopt(message.rev, applyDelta(this.#desired.state, message));
    else if (message.type === "goaway") this.#print(`${this.name} is asked to connect again`);
    else if (message.type === "transfer.offer") {
      this.#offer = message.transferId;
      this.#print(`${this.name} is offered ${message.bytes} bytes`);
    }
    return this.#receivedId;
  }

  #adopt(rev: number, state: DesiredState): void {
    if (this.#isSilent) return;
    const names = state.placements.map(({ model, version }) => `${model}:${version}`).toSorted();
    this.#desired = { rev, state };
    const served = names.length === 0 ? "nothing" : names.join(" and ");
    if (served !== this.#served) this.#print(`${this.name} is to serve ${served}`);
    this.#served = served;
    queueMicrotask(() => {
      this.#say({ type: "desired.ack", rev, digest: desiredDigest(state) });
      for (const version of this.#states.keys()) if (!names.includes(version)) this.report(version, "gone");
    });
  }

  #say(message: object): void {
    if (!this.#session || this.#isSilent) return;
    this.#hear();
    this.#sentId += 1;
    this.#session.onMessage(nodeMessage.parse({ ...message, id: this.#sentId, epoch: this.#epoch }));
  }

  #hear(): void {
    this.#lastByteAt = this.#now();
  }

  #closed(session: ControlSession | undefined): void {
    if (!session || this.#session !== session) return;
    this.#session = undefined;
    queueMicrotask(() => session.onClosed());
  }
}
