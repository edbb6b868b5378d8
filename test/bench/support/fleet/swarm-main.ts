import { createPrivateKey, sign } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import { pinnedConnect } from "../../../../edge-node/adapters/system/pinned-connect.ts";
import { WebSocketDialer } from "../../../../edge-node/adapters/websocket/dialer.ts";
import { Heartbeat } from "../../../../edge-node/app/session/heartbeat.ts";
import type { LoadReports as OwnLoadReports } from "../../../../edge-node/app/session/load-reports.ts";
import { isChannelRefused } from "../../../../edge-node/app/session/channel-refused.ts";
import { Reconnect } from "../../../../edge-node/core/reconnect.ts";
import { judgeDesired, type DesiredRevision } from "../../../../edge-node/core/placements/desired-document.ts";
import type { ChannelClosed, ControlChannel } from "../../../../edge-node/ports/channels.ts";
import { sleep, systemClock as clock } from "../../../../shared/base/clock.ts";
import { messageOf } from "../../../../shared/base/errors.ts";
import { systemRandom as random } from "../../../../shared/base/random.ts";
import { desiredDigest, EMPTY_DESIRED } from "../../../../shared/protocol/desired.ts";
import { CLOSE } from "../../../../shared/protocol/close-codes.ts";
import type { Capabilities } from "../../../../shared/protocol/messages/capabilities.ts";
import type { ControlPlaneMessage } from "../../../../shared/protocol/messages/control-plane-messages.ts";
import { nodeIdOf, placementIdOf } from "./fleet-rows.ts";
import type { SwarmCommand, SwarmOptions, SwarmReport } from "./node-swarm.ts";

/**
 * The process of the nodes: the node's own session code (channels, heartbeats, and the load reports of the measured build) without
 * disks and model hosts. Each node serves and is idle. Run by node-swarm.ts.
 */
/** More at once and a build without a queue for handshakes refuses the rest. */
const AT_ONCE = 20;
/** The confirmed heartbeat from which on the control plane sends requests. */
const READY_ACK = 2;
const CAPABILITIES: Capabilities = {
  arch: "x64",
  os: "linux",
  cpus: 4,
  memMiB: 8_192,
  diskMiB: 100_000,
  runtime: "onnxruntime 1.30.0",
  maxOpset: 24,
  maxIrVersion: 12,
  providers: ["cpu"],
};

/** Where builds have had it. */
const LOAD_REPORTS = ["edge-node/app/session/load-reports.ts", "edge-node/app/load-reports.ts"];

const options = JSON.parse(process.argv[2] ?? "") as SwarmOptions;
const loadReports = LOAD_REPORTS.map((file) => path.join(options.checkout, file)).find(existsSync) ?? "";
const { LoadReports } = (await import(loadReports)) as { readonly LoadReports: typeof OwnLoadReports };
const key = createPrivateKey(options.privateKey);
const policy = { ...options, pin: "none", isNetworkTrusted: false };
const signal = new AbortController().signal;
const channels = new Map<number, ControlChannel>();
const report = (message: SwarmReport): void => void process.send?.(message);

const waiting = Array.from({ length: options.nodes }, (_, index) => index);
await Promise.all(Array.from({ length: AT_ONCE }, openInTurn));
report({ kind: "connected" });

process.on("message", (message) => {
  const { node } = message as SwarmCommand;
  channels.get(node)?.send({
    type: "log",
    seq: 1,
    dropped: 0,
    lines: [{ level: "info", ageMs: 0, msg: `a line of ${nodeIdOf(node)}` }],
  });
});
process.on("disconnect", () => process.exit());

async function openInTurn(): Promise<void> {
  for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
    try {
      await open(node);
    } catch (error) {
      report({ kind: "closed", node, reason: messageOf(error) });
      waiting.push(node);
    }
  }
}

/** Dials until a session stands, with the waits of a node. */
async function comeBack(node: number, first: ChannelClosed): Promise<void> {
  const reconnect = new Reconnect(random);
  for (let closed = first; ;) {
    const next = reconnect.after(closed, clock.now());
    if (next.kind === "never") return;
    await sleep(clock, next.waitMs);
    try {
      await open(node, () => report({ kind: "back", node, at: performance.timeOrigin + performance.now() }));
      return;
    } catch (error) {
      if (!isChannelRefused(error)) throw error;
      ({ closed } = error);
      report({ kind: "refused", node, reason: `${closed.code} ${closed.reason}` });
    }
  }
}

/** Resolves when the session has been confirmed in both directions. */
async function open(node: number, onReady: () => void = () => undefined): Promise<void> {
  const nodeId = nodeIdOf(node);
  const dialer = new WebSocketDialer({
    identity: {
      nodeId,
      name: nodeId,
      kind: "edge",
      site: "",
      zone: "",
      generation: 1,
      cpId: options.cpId,
      urls: [options.url],
      pin: "none",
      tokenId: undefined,
      isRemoved: false,
      publicKey: "",
      sign: (text) => sign(null, Buffer.from(text), key).toString("base64url"),
    },
    agentVersion: "0.1.0",
    connect: (url, abort) => pinnedConnect(policy, url, abort),
    clock,
  });
  const ids = Array.from({ length: options.placementsPerNode }, (_, slot) => placementIdOf(node, slot));
  const desired = desiredOf(node);
  const proven = Promise.withResolvers<void>();
  let heartbeat: Heartbeat | undefined;
  let confirmed = 0;
  const early: ControlPlaneMessage[] = [];
  let receive = (message: ControlPlaneMessage): void => void early.push(message);
  const channel = await dialer.control(
    {
      epoch: 0,
      capabilities: CAPABILITIES,
      bootId: "boot",
      desired: desired.position(),
      placements: ids.map((placementId) => ({ placementId, generation: 1, state: "ready", rssMiB: 40, warmUs: 100 })),
    },
    (message) => receive(message),
    signal,
  );
  receive = (message) => {
    if (message.type === "heartbeat.ack") {
      heartbeat?.onAck(message);
      confirmed += 1;
      if (confirmed === READY_ACK) onReady();
    }
    if (message.type === "desired.snapshot" || message.type === "desired.delta") desired.take(message, channel);
  };
  early.forEach(receive);
  channels.set(node, channel);
  void channel.closed.then((closed) => {
    heartbeat?.stop();
    report({ kind: "closed", node, reason: `${closed.code} ${closed.reason}` });
    if (options.reconnects === true) void comeBack(node, closed);
  });
  const { epoch = 0, replica } = channel.welcome;
  const inference = dialer.inference(
    { epoch, replica, url: undefined, streamsResponses: true },
    { onRequest: () => undefined, onCancel: () => undefined },
    signal,
  );
  if (options.reconnects === true) await inference.catch(() => channel.close(CLOSE.DONE, "without the other channel"));
  else await inference;
  const parts = {
    channel,
    // The name that builds before the channels were called channels read.
    link: channel,
    clock,
    probe: { capabilities: async () => CAPABILITIES, cpuPct: () => 3, memFreeMiB: () => 4_000 },
    disk: { freeMiB: async () => 50_000 },
    serving: {
      load: () => ({
        rif: 0,
        placements: ids.map((placementId) => ({
          placementId,
          rif: 0,
          queued: 0,
          slots: 1,
          meanUs: 100,
          p95Us: 120,
          done: 10,
          failed: 0,
          rssMiB: 40,
        })),
      }),
    },
    isServing: () => true,
    rttMs: () => heartbeat?.rttMs ?? 0,
  };
  const loads = new LoadReports(parts);
  heartbeat = new Heartbeat({
    channel,
    clock,
    random,
    telemetry: { heartbeatAnswered: () => undefined },
    desired: desired.position,
    beforeReady: () => loads.start(),
    onProven: proven.resolve,
  });
  heartbeat.start();
  await proven.promise;
}

interface DesiredOf {
  readonly position: () => { readonly rev: number; readonly digest: ReturnType<typeof desiredDigest> };
  readonly take: (
    message: Extract<ControlPlaneMessage, { type: "desired.snapshot" | "desired.delta" }>,
    channel: ControlChannel,
  ) => void;
}

/** The desired document of one node, as it would lie on its disk. */
function desiredOf(node: number): DesiredOf {
  let document: DesiredRevision = { rev: 0, state: EMPTY_DESIRED };
  let digest = desiredDigest(document.state);
  return {
    position: () => ({ rev: document.rev, digest }),
    take(message, channel) {
      const verdict = judgeDesired(document, message);
      if (verdict.kind === "lost") return void channel.send({ type: "desired.get", haveRev: document.rev });
      if (verdict.kind === "apply") {
        ({ document } = verdict);
        digest = desiredDigest(document.state);
        const { cordoned } = document.state;
        report({ kind: "desired", node, isCordoned: cordoned, at: performance.timeOrigin + performance.now() });
      }
      channel.send({ type: "desired.ack", rev: document.rev, digest });
    },
  };
}
