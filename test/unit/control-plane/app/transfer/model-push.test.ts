import { beforeEach, describe, expect, it } from "@jest/globals";
import type { FleetCache } from "../../../../../control-plane/app/fleet/fleet-cache.ts";
import { ModelPush } from "../../../../../control-plane/app/transfer/model-push.ts";
import { type NodeSession, SessionRegistry } from "../../../../../control-plane/app/node-sessions/node-session.ts";
import type { ControlChannel, TransferSession } from "../../../../../control-plane/ports/nodes/channels.ts";
import type { PlacementId } from "../../../../../shared/base/ids.ts";
import type {
  ControlPlaneMessage,
  TransferOffer,
} from "../../../../../shared/protocol/messages/control-plane-messages.ts";
import type { Unsent } from "../../../../../shared/protocol/messages/envelope.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { aNode, aPlacement, aVersion, NOW } from "../../../../support/fleet/fleet-builder.ts";
import { aLoad } from "../../../../support/fleet/scheduling-fixture.ts";
import { anArtifact, randomBytesOf } from "../../../../support/models/artifact-fixture.ts";
import { fleetOf } from "../../../../support/fleet/fleet-in-memory.ts";
import { aSession } from "../../../../support/fleet/node-session.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const MIB = 1_048_576;
const bytes = anArtifact(randomBytesOf(2 * MIB, 1));
const node = aNode("dock");
const [first, second] = [aVersion("digits", 1), aVersion("digits", 2)];
const placements = [first, second].map(({ version }) =>
  aPlacement(node, {
    id: `p-${version}` as PlacementId,
    version,
    state: "offered",
    decidedAt: NOW - 1_000 + version,
  }),
);

let clock: TestClock;
let push: ModelPush;
let session: NodeSession;
let fleet: FleetCache;
let offers: Unsent<TransferOffer>[];

beforeEach(async () => {
  clock = new TestClock(NOW);
  offers = [];
  const control: ControlChannel = {
    send: (message: Unsent<ControlPlaneMessage>) => (message.type === "transfer.offer" ? offers.push(message) : 0),
    close: () => undefined,
    lastByteAt: () => clock.now(),
    ping: () => undefined,
  };
  session = aSession(node, { control, clock, epoch: node.session?.epoch ?? 0 });
  session.transfers.restart(placements.map(({ id }) => id));
  const registry = new SessionRegistry();
  registry.add(session);
  fleet = await fleetOf({ nodes: [node], versions: [first, second], placements }, clock);
  const { agentVersion = "", epoch = 0 } = node.session ?? {};
  const { capabilities } = node;
  if (!capabilities) throw new Error("a node that has connected is needed");
  fleet.apply({ type: "session-opened", nodeId: node.id, epoch, replica: "r-1", agentVersion, capabilities, at: NOW });
  fleet.apply({ type: "load-reported", nodeId: node.id, epoch, load: aLoad() });
  const file = {
    read: async (offset: number, into: Uint8Array) => into.set(bytes.bytes.subarray(offset, offset + into.length)),
    close: async () => undefined,
  };
  push = new ModelPush({
    artifacts: { open: async () => file } as never,
    catalog: { manifest: async () => JSON.stringify(bytes.manifest) } as never,
    registry,
    fleet,
    keys: { secret: () => "s".repeat(43), verify: () => false },
    random: seededRandom(1),
    clock,
    logger: silentLogger,
    recordEvent: () => undefined,
    onSuspect: () => undefined,
    onPushed: () => undefined,
  });
  push.offerSoon();
  await clock.advance(0);
});

const offered = (): readonly string[] =>
  offers.map(({ artifact }) => (artifact === first.artifact ? "first" : "second"));

/** The node says this of the newest offer. */
async function say(
  message:
    | { type: "transfer.done"; received: number; reused: number }
    | { type: "transfer.resume"; retryMs: number }
    | { type: "transfer.reject"; code: "BUSY"; retryMs: number }
    | { type: "transfer.failed"; code: "DIGEST_MISMATCH"; detail: string },
): Promise<void> {
  const { transferId = "" } = offers.at(-1) ?? {};
  push.onMessage(session, { id: 7, transferId, ...message });
  await clock.advance(0);
}

/** The node lacks everything, and has room for it. */
function needAll(transfer: TransferSession, window = 8 * MIB): void {
  const bitmap = new Uint8Array(Math.ceil(bytes.chunks.length / 8));
  for (const { index } of bytes.chunks) bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (0x80 >> (index & 7));
  transfer.onMessage({ type: "need", chunks: Buffer.from(bitmap).toString("base64url"), window });
}

/** The node receives all of what is on offer, and says a second later that half of it is on its disk. */
async function receiveHalf(): Promise<void> {
  const transfer = push.redeem(session, "s".repeat(43))?.({ sendFrame: async () => undefined, close: () => undefined });
  if (!transfer) throw new Error("the ticket was refused");
  await clock.advance(0);
  needAll(transfer);
  await clock.advance(1_000);
  transfer.onMessage({ type: "credit", durable: MIB, window: 8 * MIB });
  await clock.advance(0);
}

const rate = (): number | undefined => fleet.snapshot().nodes.get(node.id)?.load?.pushBytesPerMs;

describe("the rate of a push", () => {
  it("is that of the time in which the node was heard, when the push is cut", async () => {
    await receiveHalf();
    await clock.advance(60_000);
    push.forget(session);
    expect(rate()).toBe((2 * MIB) / 1_000);
  });

  it("is that of all of the time when the push arrives", async () => {
    await receiveHalf();
    await clock.advance(1_000);
    await say({ type: "transfer.done", received: 2 * MIB, reused: 0 });
    expect(rate()).toBe((2 * MIB) / 2_000);
  });
});

describe("ModelPush", () => {
  it("offers one artifact at a time, the one that was decided first before the others", async () => {
    expect(offered()).toEqual(["first"]);
    await say({ type: "transfer.done", received: 1, reused: 0 });
    expect(offered()).toEqual(["first", "second"]);
  });

  it("lets the next artifact pass while one that was cut has to wait, and comes back to it", async () => {
    await say({ type: "transfer.resume", retryMs: 5_000 });
    expect(offered()).toEqual(["first", "second"]);
    await say({ type: "transfer.done", received: 1, reused: 0 });
    await clock.advance(4_999);
    expect(offered()).toEqual(["first", "second"]);
    await clock.advance(1);
    expect(offered()).toEqual(["first", "second", "first"]);
  });

  it("goes on at once with a transfer that was cut on its way", async () => {
    await say({ type: "transfer.resume", retryMs: 0 });
    expect(offered()).toEqual(["first", "first"]);
  });

  it.each([
    [{ type: "transfer.failed", code: "DIGEST_MISMATCH", detail: "a byte is wrong" } as const, 60_000],
    [{ type: "transfer.reject", code: "BUSY", retryMs: 700 } as const, 700],
  ])("passes on to the next artifact after %j", async (message, retryMs) => {
    await say(message);
    await say({ type: "transfer.done", received: 1, reused: 0 });
    expect(offered()).toEqual(["first", "second"]);
    await clock.advance(retryMs);
    expect(offered()).toEqual(["first", "second", "first"]);
  });
});
