import type { Clock } from "../../../shared/base/clock.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import type { NodeId } from "../../../shared/base/ids.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { commonFeatures } from "../../../shared/protocol/features.ts";
import { LOAD_MS } from "../../../shared/protocol/limits.ts";
import type { Hello } from "../../../shared/protocol/messages/node-messages.ts";
import type { Random } from "../../../shared/base/random.ts";
import { documentsTouched } from "../../core/fleet/changes/change-set.ts";
import { nodeState, type NodeTimings } from "../../core/fleet/node-status.ts";
import type { Keys } from "../../ports/access/keys.ts";
import type { Clone, NodeIdentityRow, SessionStore } from "../../ports/nodes/nodes.ts";
import type { AuditRecorder } from "../../ports/access/audit.ts";
import type {
  ControlPeer,
  ControlSession,
  InferenceChannel,
  InferenceSession,
  NodeSessionHandler,
  TransferChannel,
  TransferSession,
} from "../../ports/nodes/channels.ts";
import type { EventRecorder } from "../events/event-recorder.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { ModelPush } from "../transfer/model-push.ts";
import type { CallerKeys } from "./caller-keys.ts";
import { disconnectEvents } from "./disconnect-events.ts";
import { ForeignPlacements } from "./foreign-placements.ts";
import { IdentityConflicts } from "./identity-conflicts.ts";
import { KeyRotation } from "./key-rotation.ts";
import { NodeSession, type SessionRegistry } from "./node-session.ts";
import { PlacementReports } from "./placement-reports.ts";
import { SessionMessages } from "./session-messages.ts";
import { UnknownNodes } from "./unknown-nodes.ts";
import { ResponseReceiver } from "../inference/response-receiver.ts";
import type { Telemetry } from "../inference/telemetry.ts";
import type { FleetPlacement } from "../../core/fleet/types.ts";

interface Parts {
  readonly replica: string;
  /** Where nodes of the same network dial this very control plane; null: they do not. */
  readonly peerUrl: string | null;
  readonly sessions: SessionStore;
  readonly keys: Pick<Keys, "verify">;
  readonly registry: SessionRegistry;
  readonly fleet: FleetCache;
  readonly push: ModelPush;
  readonly telemetry: Telemetry;
  readonly timings: NodeTimings;
  /** How often a node tells that it lives, in ms. */
  readonly heartbeatMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly recorder: Pick<EventRecorder, "record" | "recordLog">;
  readonly audit: AuditRecorder;
  /** Left out: nodes get no API keys. */
  readonly callerKeys?: Pick<CallerKeys, "asked" | "ended" | "placementsChanged">;
  /** The model host of a placement ended by itself. */
  readonly onHostEnded?: (placement: FleetPlacement) => void;
  /** A placement ends that keeps something of streams. */
  readonly onStreamsLeft?: (placementId: string) => void;
}

/** Nodes that are sent away at one moment come back one after the other, a thousand of them within 5 s. */
const GOAWAY_SPACING_MS = 5;

/** Opens and ends the sessions of nodes. The node id comes only from the authenticated socket. */
export class NodeSessions implements NodeSessionHandler {
  readonly #parts: Parts;
  readonly #conflicts: IdentityConflicts;
  readonly #foreign: ForeignPlacements;
  readonly #unknown: UnknownNodes;
  readonly #keyRotation: KeyRotation;
  readonly #messages: SessionMessages;
  #isStopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#conflicts = new IdentityConflicts(parts);
    this.#foreign = new ForeignPlacements(parts);
    this.#unknown = new UnknownNodes(parts);
    this.#keyRotation = new KeyRotation(parts);
    this.#messages = new SessionMessages({ ...parts, keyRotation: this.#keyRotation, foreign: this.#foreign });
  }

  start(): void {
    this.#keyRotation.start();
    this.#parts.fleet.onChange((change, fleet) => {
      this.#parts.callerKeys?.placementsChanged(new Set(change.placements.values()));
      for (const nodeId of documentsTouched(fleet, change)) {
        const session = this.#parts.registry.get(nodeId);
        if (session) this.#syncDesired(session);
      }
    });
  }

  /** Takes no new sessions, and asks every node for a time of its own to open its next one elsewhere. Closes nothing. */
  handOver(): void {
    this.#isStopped = true;
    this.#parts.registry
      .all()
      .filter(({ isHandedOver }) => !isHandedOver)
      .forEach((session, index) => session.handOver((index + 1) * GOAWAY_SPACING_MS));
  }

  /** Whether every node that was handed over is ready at another control plane. */
  get isHandedOver(): boolean {
    const { registry, fleet, timings, clock } = this.#parts;
    const { nodes } = fleet.snapshot();
    return registry.all().every(({ nodeId, epoch }) => {
      const node = nodes.get(nodeId);
      if (!node || node.revoked) return true;
      return (node.session?.epoch ?? 0) > epoch && nodeState(node, clock.now(), timings) === "ready";
    });
  }

  /** Hands over what is left, and closes every session. */
  stop(): void {
    this.#keyRotation.stop();
    this.handOver();
    this.#parts.registry.all().forEach((session) => {
      session.inference?.close(CLOSE.RESTART, "the control plane stops");
      session.control.close(CLOSE.RESTART, "the control plane stops");
    });
  }

  /** A process with the identity of a node asks another control plane for a session. */
  cloneAnnounced(clone: Clone): void {
    void this.#conflicts.announced(clone);
  }

  async identity(nodeId: string): ReturnType<SessionStore["identity"]> {
    const identity = await this.#parts.sessions.identity(nodeId);
    if (!identity) this.#unknown.refused(nodeId);
    return identity;
  }

  identityInSession(nodeId: string): NodeIdentityRow | undefined {
    return this.#parts.registry.get(nodeId)?.identity;
  }

  async openControl(hello: Hello, nodeId: NodeId, peer: ControlPeer): Promise<ControlSession> {
    const { sessions, replica, peerUrl, registry, fleet, timings, clock } = this.#parts;
    if (this.#isStopped) throw new SkerryError("DRAINING", "this control plane is about to stop");
    if (peer.identity.isWaiting === true)
      throw new SkerryError("NODE_WAITING", "this node waits for an operator to approve it");
    await this.#conflicts.refuseClone(hello, nodeId, peer.address);
    const opened = await sessions.open({
      nodeId,
      generation: hello.generation,
      lastEpoch: hello.lastEpoch,
      desiredRev: hello.desired.rev,
      replica,
      bootId: hello.bootId,
      agentVersion: hello.agentVersion,
      capabilities: hello.capabilities,
    });
    if (!opened) throw new SkerryError("UNAUTHENTICATED", `node ${nodeId} is revoked or has another generation`);
    if (!fleet.snapshot().nodes.has(nodeId) || opened.regressed) await fleet.refresh({ nodes: [nodeId] });
    const node = fleet.snapshot().nodes.get(nodeId);
    if (!node) throw new SkerryError("DATABASE_UNAVAILABLE", `node ${nodeId} is not in the inventory yet`);

    const { epoch } = opened;
    // While PostgreSQL was asked: another session of the node may have been opened after this one, and be here first.
    if ((registry.get(nodeId)?.epoch ?? 0) > epoch)
      throw new SkerryError("CONFLICT", "a newer session of this node has begun");
    // All sessions that are here were asked to go elsewhere already.
    if (this.#isStopped) throw new SkerryError("DRAINING", "this control plane is about to stop");
    const session = new NodeSession({
      nodeId,
      name: node.name,
      kind: node.kind,
      epoch,
      bootId: hello.bootId,
      address: peer.address,
      identity: peer.identity,
      control: peer.connect(epoch),
      fleet,
      clock,
    });
    const older = registry.add(session);
    older?.control.close(CLOSE.NEWER_SESSION, "a newer session of this node has begun");
    // Its node came back before it was noticed that the connection broke.
    if (older?.isHandedOver === false)
      fleet.apply({ type: "session-closed", nodeId, epoch: older.epoch, at: clock.now(), isDisconnect: true });
    fleet.apply({
      type: "session-opened",
      nodeId,
      epoch,
      replica,
      agentVersion: hello.agentVersion,
      capabilities: hello.capabilities,
      at: clock.now(),
    });
    const reports = new PlacementReports(session, this.#parts);
    return {
      epoch,
      welcome: {
        type: "welcome",
        heartbeatMs: this.#parts.heartbeatMs,
        loadMs: LOAD_MS,
        suspectMs: timings.suspectMs,
        lostMs: timings.lostMs,
        desiredRev: opened.desiredRev,
        replica,
        // Pods are in the network of the control planes; devices most often are not, and would try in vain.
        ...(node.kind === "cloud" && peerUrl !== null && { url: peerUrl }),
        features: commonFeatures(hello.features),
      },
      started: (welcomeId) => {
        session.liveness.welcomed(welcomeId);
        this.#tellConnection(session, { regressed: opened.regressed });
        const named = hello.placements.map(({ placementId }) => placementId);
        if (!this.#foreign.began(session, named)) return;
        reports.afterHello(hello.placements);
        session.desired.adopt(hello.desired);
        this.#keyRotation.began(session);
      },
      onMessage: (message) => this.#messages.receive(session, message, reports),
      onClosed: () => void this.#onControlClosed(session, reports),
    };
  }

  openInference(nodeId: NodeId, epoch: number, channel: InferenceChannel): InferenceSession | null {
    const session = this.#parts.registry.get(nodeId);
    if (!session || session.epoch !== epoch) return null;
    session.attachInference(channel);
    const receiver = new ResponseReceiver(session.pending, channel);
    return {
      onFrame: (frame) => receiver.onFrame(frame),
      onClosed: () => session.detachInference(channel),
    };
  }

  openTransfer(nodeId: NodeId, epoch: number, ticket: string): ((channel: TransferChannel) => TransferSession) | null {
    const session = this.#parts.registry.get(nodeId);
    return session && session.epoch === epoch ? this.#parts.push.redeem(session, ticket) : null;
  }

  async #onControlClosed(session: NodeSession, reports: PlacementReports): Promise<void> {
    const { registry, fleet, clock, push, sessions, recorder, logger } = this.#parts;
    reports.close();
    this.#parts.callerKeys?.ended(session);
    session.desired.close();
    push.forget(session);
    session.inference?.close(CLOSE.SESSION_ENDED, "the control channel closed");
    if (!registry.remove(session)) return;
    const { nodeId, epoch, name } = session;
    const [at, isDisconnect] = [clock.now(), !session.isHandedOver];
    fleet.apply({ type: "session-closed", nodeId, epoch, at, isDisconnect });
    const disconnects = fleet.snapshot().nodes.get(nodeId)?.session?.disconnects;
    if (isDisconnect) {
      logger.warn({ node: name, epoch }, "node disconnected");
      disconnectEvents(name, disconnects, at).forEach((event) => recorder.record(event));
    } else {
      logger.info({ node: name, epoch }, "node sent away");
    }
    await sessions.close(nodeId, epoch, isDisconnect ? disconnects?.score : undefined).catch(() => undefined); // the poll sees it by its age
  }

  #tellConnection(session: NodeSession, { regressed }: { regressed: boolean }): void {
    const { recorder, logger } = this.#parts;
    const object = `node/${session.name}`;
    logger.info({ node: session.name, epoch: session.epoch }, "node connected");
    recorder.record({
      type: "Normal",
      reason: "NodeConnected",
      object,
      message: `${session.name} opened session ${session.epoch}`,
    });
    if (regressed) {
      recorder.record({
        type: "Warning",
        reason: "DesiredStateConflict",
        object,
        message: `${session.name} holds a newer revision than the database, which goes on above it`,
      });
    }
  }

  #syncDesired(session: NodeSession): void {
    const node = this.#parts.fleet.snapshot().nodes.get(session.nodeId);
    if (!node) return;
    if (node.revoked) return session.control.close(CLOSE.NODE_DELETED, "this node was removed");
    if (node.generation > session.identity.generation)
      return session.control.close(CLOSE.NODE_DELETED, "another machine has taken the place of this node");
    session.desired.sync();
  }
}
