import { FEATURE } from "../../../shared/protocol/features.ts";
import type { RawData, WebSocket } from "ws";
import {
  applyDelta,
  deltaBetween,
  desiredDigest,
  EMPTY_DESIRED,
  type DesiredState,
} from "../../../shared/protocol/desired.ts";
import { BodyAssembly } from "../../../shared/protocol/frames/body-assembly.ts";
import {
  decodeInferenceFrame,
  encodeMessages,
  INFERENCE_FRAME,
  JSON_BODY,
} from "../../../shared/protocol/frames/inference-frame.ts";
import type { ResponseFrame } from "../../../shared/protocol/frames/response-frame.ts";
import type { ControlPlaneMessage } from "../../../shared/protocol/messages/control-plane-messages.ts";
import type { DesiredPlacement } from "../../../shared/protocol/messages/desired-placement.ts";
import type { Hello, NodeMessage } from "../../../shared/protocol/messages/node-messages.ts";
import type { PlacementReport } from "../../../shared/protocol/messages/placement-report.ts";
import type { Unsent } from "../../../shared/protocol/messages/envelope.ts";

/** What `welcome` says; a test may shorten it. */
export interface FakeTimings {
  heartbeatMs: number;
  loadMs: number;
  suspectMs: number;
}

/** One node's session as the fake control plane sees it. */
export class FakeNodeSession {
  readonly hello: Hello;
  readonly epoch: number;
  readonly received: NodeMessage[] = [];
  /** Newest report of each placement. */
  readonly reports = new Map<string, PlacementReport>();
  /** Of each heartbeat: whether it named our newest ack. */
  readonly confirmedHeartbeats: boolean[] = [];
  onHeartbeat: () => unknown = () => undefined;
  /** False: heartbeats are not answered. */
  answersHeartbeats = true;
  desired: { rev: number; state: DesiredState } = { rev: 0, state: EMPTY_DESIRED };
  inference: WebSocket | undefined;
  inferencesOpened = 0;
  readonly #webSocket: WebSocket;
  /** Placements that the node called `offered`. */
  readonly #waiting = new Set<string>();
  readonly #bodies = new BodyAssembly<ResponseFrame>();
  readonly #pending = new Map<number, (response: ResponseFrame) => void>();
  #lastId = 1;
  #lastAck: number;
  #requests = 0;

  constructor(webSocket: WebSocket, { hello, epoch, timings }: { hello: Hello; epoch: number; timings: FakeTimings }) {
    this.#webSocket = webSocket;
    this.hello = hello;
    this.epoch = epoch;
    for (const report of hello.placements) this.reports.set(report.placementId, report);
    this.#lastAck = this.send({
      type: "welcome",
      re: hello.id,
      ...timings,
      lostMs: 60_000,
      desiredRev: hello.desired.rev,
      replica: "r-1",
      features: [FEATURE.CHANGED_CAPABILITIES],
    });
    this.desired = { rev: hello.desired.rev, state: EMPTY_DESIRED };
  }

  get isOpen(): boolean {
    return this.#webSocket.readyState === this.#webSocket.OPEN;
  }

  send(message: Unsent<ControlPlaneMessage>): number {
    this.#lastId += 1;
    this.#webSocket.send(JSON.stringify({ ...message, id: this.#lastId, epoch: this.epoch }));
    return this.#lastId;
  }

  /** Sends any text, sound or not. */
  sendRaw(text: string): void {
    this.#webSocket.send(text);
  }

  close(code: number, reason: string): void {
    this.#webSocket.close(code, reason);
  }

  terminate(): void {
    this.#webSocket.terminate();
  }

  /** Stops reading and answering, as a machine that froze would. */
  freeze(): void {
    this.#webSocket.pause();
    this.answersHeartbeats = false;
  }

  of<Type extends NodeMessage["type"]>(type: Type): Extract<NodeMessage, { type: Type }>[] {
    return this.received.filter((message): message is Extract<NodeMessage, { type: Type }> => message.type === type);
  }

  receive(message: NodeMessage): void {
    this.received.push(message);
    if (message.type === "heartbeat") {
      this.onHeartbeat();
      this.confirmedHeartbeats.push(message.acked === this.#lastAck);
      if (this.answersHeartbeats)
        this.#lastAck = this.send({ type: "heartbeat.ack", re: message.id, desiredRev: this.desired.rev });
    }
    if (message.type === "placement.status") this.#onStatus(message);
    if (message.type === "desired.get") this.snapshot(this.desired.state, this.desired.rev);
  }

  #onStatus(report: Extract<NodeMessage, { type: "placement.status" }>): void {
    const { placementId, state } = report;
    this.reports.set(placementId, report);
    if (state === "offered") this.#waiting.add(placementId);
    else this.#waiting.delete(placementId);
  }

  /** An artifact that a desired placement waits for. */
  get lacking(): string | undefined {
    return this.desired.state.placements.find(({ placementId }) => this.#waiting.has(placementId))?.artifact;
  }

  /** The artifact is on the node, whatever its reports say so far. */
  holds(artifact: string): void {
    for (const placementId of this.placementsOf(artifact)) this.#waiting.delete(placementId);
  }

  /** Ids of the placements that are desired and need the artifact. */
  placementsOf(artifact: string): string[] {
    const desired = this.desired.state.placements.filter((placement) => placement.artifact === artifact);
    return desired.map(({ placementId }) => placementId);
  }

  snapshot(state: DesiredState, rev = this.desired.rev + 1): void {
    this.desired = { rev, state };
    this.send({
      type: "desired.snapshot",
      rev,
      digest: desiredDigest(state),
      cordoned: state.cordoned,
      placements: [...state.placements],
    });
  }

  /** Says only what changes. */
  delta(placements: readonly DesiredPlacement[]): void {
    const { rev: baseRev, state } = this.desired;
    const { set, drop } = deltaBetween(state, { cordoned: false, placements });
    const next = applyDelta(state, { cordoned: false, set, drop });
    const rev = baseRev + 1;
    this.desired = { rev, state: next };
    const digest = desiredDigest(next);
    this.send({ type: "desired.delta", baseRev, rev, digest, cordoned: false, set: [...set], drop: [...drop] });
  }

  attachInference(webSocket: WebSocket): void {
    this.inference = webSocket;
    this.inferencesOpened += 1;
    webSocket.on("close", () => {
      if (this.inference === webSocket) this.inference = undefined;
    });
    webSocket.on("message", (data: RawData) => {
      const frame = decodeInferenceFrame(data as Buffer);
      if (frame?.type !== INFERENCE_FRAME.RESPONSE && frame?.type !== INFERENCE_FRAME.DATA)
        throw new Error("not a response frame");
      const assembled =
        frame.type === INFERENCE_FRAME.RESPONSE ? this.#bodies.begin(frame) : this.#bodies.continue(frame);
      if (assembled.kind === "complete") this.#pending.get(assembled.frame.requestId)?.(assembled.frame);
    });
  }

  /** Sends one request and waits for its response. */
  infer(placementId: string, body: Uint8Array): Promise<ResponseFrame> {
    const socket = this.inference;
    if (!socket) throw new Error("the node has no inference channel open");
    this.#requests += 1;
    const requestId = this.#requests;
    const response = new Promise<ResponseFrame>((resolve) => this.#pending.set(requestId, resolve));
    const head = {
      type: INFERENCE_FRAME.REQUEST,
      requestId,
      edgeOnly: false,
      deadlineMs: 5_000,
      headerLength: JSON_BODY,
      priority: 0,
      meta: { placementId },
      body,
    };
    for (const message of encodeMessages(head, [head.body], 65_536)) socket.send(message);
    return response;
  }
}
