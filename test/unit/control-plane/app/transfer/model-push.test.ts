import { beforeEach, describe, expect, it } from "@jest/globals";
import { ModelPush } from "../../../../../control-plane/app/transfer/model-push.ts";
import { type NodeSession, SessionRegistry } from "../../../../../control-plane/app/node-sessions/node-session.ts";
import type { ControlChannel } from "../../../../../control-plane/ports/channels.ts";
import type { PlacementId } from "../../../../../shared/base/ids.ts";
import type { ControlPlaneMessage, TransferOffer, Unsent } from "../../../../../shared/protocol/messages.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { aNode, aPlacement, aVersion, NOW } from "../../../../support/fleet/fleet-builder.ts";
import { fleetOf } from "../../../../support/fleet/fleet-in-memory.ts";
import { aSession } from "../../../../support/fleet/node-session.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

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
  session = aSession(node, { control, clock });
  session.transfers.restart(placements.map(({ id }) => id));
  const registry = new SessionRegistry();
  registry.add(session);
  const unused = (): never => {
    throw new Error("nothing is streamed here");
  };
  push = new ModelPush({
    artifacts: { open: unused } as never,
    catalog: { manifest: unused } as never,
    registry,
    fleet: await fleetOf({ nodes: [node], versions: [first, second], placements }, clock),
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
