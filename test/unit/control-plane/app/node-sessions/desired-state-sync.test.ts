import { describe, expect, it } from "@jest/globals";
import { DesiredStateSync } from "../../../../../control-plane/app/node-sessions/desired-state-sync.ts";
import type { ControlPlaneMessage } from "../../../../../shared/protocol/messages/control-plane-messages.ts";
import type { Unsent } from "../../../../../shared/protocol/messages/envelope.ts";
import { desiredDigest, EMPTY_DESIRED } from "../../../../../shared/protocol/desired.ts";
import { aDeployment, aNode, aPlacement, aVersion } from "../../../../support/fleet/fleet-builder.ts";
import { fleetOf } from "../../../../support/fleet/fleet-in-memory.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const EMPTY = { rev: 0, digest: desiredDigest(EMPTY_DESIRED) };

async function setUp() {
  const clock = new TestClock();
  const node = aNode("edge-a");
  const deployments = [aDeployment({ name: "digits", model: "digits", version: 1 })];
  const rows = { nodes: [node], deployments, versions: [aVersion("digits", 1)], placements: [aPlacement(node)] };
  const [filled, empty] = [await fleetOf(rows, clock), await fleetOf({ nodes: [node] }, clock)];
  const scene = { fleet: filled, sent: [] as Unsent<ControlPlaneMessage>[] };
  const control = {
    send: (message: Unsent<ControlPlaneMessage>) => scene.sent.push(message),
    close: () => undefined,
    lastByteAt: () => 0,
    ping: () => undefined,
  };
  const desired = new DesiredStateSync({
    nodeId: node.id,
    control,
    fleet: { snapshot: () => scene.fleet.snapshot() },
    clock,
  });
  /** The documents sent so far, in words; the node acknowledges none by itself. */
  const documents = (): readonly string[] => scene.sent.map((message) => message.type.replace("desired.", ""));
  const last = (): { readonly rev: number; readonly digest: string } => {
    const message = scene.sent.at(-1);
    if (message?.type !== "desired.snapshot" && message?.type !== "desired.delta") throw new Error("no document");
    return message;
  };
  const become = (kind: "filled" | "empty"): void => {
    scene.fleet = kind === "filled" ? filled : empty;
    desired.sync();
  };
  return { clock, desired, documents, last, become };
}

describe("the sync of a node's desired document", () => {
  it("sends nothing to a node whose disk holds the fleet's document", async () => {
    const { desired, documents, become } = await setUp();
    become("empty");
    desired.adopt(EMPTY);
    become("empty");
    expect(documents()).toEqual([]);
  });

  it("sends a snapshot to a node with another document, and a delta from then on", async () => {
    const { desired, documents, last, become } = await setUp();
    desired.adopt(EMPTY);
    expect(documents()).toEqual(["snapshot"]);
    desired.acked(last());
    become("empty");
    expect(documents()).toEqual(["snapshot", "delta"]);
  });

  it("keeps changes back until the last document is acknowledged", async () => {
    const { desired, documents, last, become } = await setUp();
    desired.adopt(EMPTY);
    become("empty");
    expect(documents()).toEqual(["snapshot"]);
    desired.acked(last());
    expect(documents()).toEqual(["snapshot", "delta"]);
  });

  it("sends a document again after 5 s without an ack, under the same revision", async () => {
    const { clock, desired, documents, last } = await setUp();
    desired.adopt(EMPTY);
    const first = last();
    await clock.advance(4_999);
    expect(documents()).toEqual(["snapshot"]);
    await clock.advance(1);
    expect(documents()).toEqual(["snapshot", "snapshot"]);
    expect(last().rev).toBe(first.rev);
    await clock.advance(5_000);
    expect(documents()).toHaveLength(3);
    desired.acked(last());
    await clock.advance(20_000);
    expect(documents()).toHaveLength(3);
  });

  it("sends nothing again once its session is over", async () => {
    const { clock, desired, documents } = await setUp();
    desired.adopt(EMPTY);
    desired.close();
    await clock.advance(20_000);
    expect(documents()).toEqual(["snapshot"]);
  });

  it("sends the document at once when the node asks for it", async () => {
    const { desired, documents } = await setUp();
    desired.adopt(EMPTY);
    desired.requested();
    expect(documents()).toEqual(["snapshot", "snapshot"]);
  });

  it("sends a snapshot when a heartbeat names the same revision with another digest", async () => {
    const { desired, documents, last } = await setUp();
    desired.adopt(EMPTY);
    const { rev, digest } = last();
    desired.acked({ rev, digest });
    desired.confirm({ rev, digest });
    desired.confirm({ rev: rev - 1, digest: EMPTY.digest });
    expect(documents()).toEqual(["snapshot"]);
    desired.confirm({ rev, digest: EMPTY.digest });
    expect(documents()).toEqual(["snapshot", "snapshot"]);
  });

  it("ignores the ack of an older document", async () => {
    const { desired, documents, last, become } = await setUp();
    desired.adopt(EMPTY);
    const first = last();
    desired.acked(first);
    become("empty");
    desired.acked(first);
    become("filled");
    expect(documents()).toEqual(["snapshot", "delta"]);
  });
});
