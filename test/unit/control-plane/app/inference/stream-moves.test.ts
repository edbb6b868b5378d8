import { beforeEach, describe, expect, it } from "@jest/globals";
import { StreamMoves } from "../../../../../control-plane/app/inference/stream-moves.ts";
import { SessionRegistry } from "../../../../../control-plane/app/node-sessions/node-session.ts";
import { own } from "../../../../../shared/bytes/owned-bytes.ts";
import { INFERENCE_FRAME } from "../../../../../shared/protocol/frames/inference-frame.ts";
import { decodeStreams, encodeStreams, type KeptStream } from "../../../../../shared/protocol/kept-streams.ts";
import { aDeployment, aNode, aPlacement, aVersion, NOW } from "../../../../support/fleet/fleet-builder.ts";
import { fleetOf } from "../../../../support/fleet/fleet-in-memory.ts";
import { ownPaths } from "../../../../support/fleet/own-paths.ts";
import { TestClock } from "../../../../support/test-clock.ts";
import { RecordingNode } from "./service-rig.ts";

const nodes = [aNode("edge-a"), aNode("edge-b"), aNode("cloud-a", { kind: "cloud" })] as const;
const placements = nodes.map((node) => aPlacement(node, { version: 1 }));

let moves: StreamMoves;
let edgeA: RecordingNode;
let edgeB: RecordingNode;
let cloud: RecordingNode;

beforeEach(async () => {
  const clock = new TestClock(NOW);
  const deployment = aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 2 } } });
  const fleet = await fleetOf(
    { nodes, deployments: [deployment], versions: [aVersion("digits", 1)], placements },
    clock,
  );
  const registry = new SessionRegistry();
  const [a, b, c] = nodes.map((node) => new RecordingNode(node, [], clock));
  if (!a || !b || !c) throw new Error("a node is missing");
  [edgeA, edgeB, cloud] = [a, b, c];
  for (const { session } of [a, b, c]) registry.add(session);
  moves = new StreamMoves({ fleet, paths: ownPaths(registry), clock, recordEvent: () => undefined });
});

const kept = (key: string, over: Partial<KeptStream> = {}): KeptStream => ({
  placementId: "of-the-other-node",
  of: "digits:1",
  key,
  edgeOnly: false,
  bytes: Uint8Array.of(1, 2, 3),
  ...over,
});

const bundle = (...streams: readonly KeptStream[]) => ({
  headerLength: 0,
  body: own(Uint8Array.from(encodeStreams(streams))),
});

/** What a node was sent: each request's operation, and the keys of the streams that came with it. */
const sentTo = (node: RecordingNode) =>
  node.frames.flatMap((frame) => {
    if (frame.type !== INFERENCE_FRAME.REQUEST) return [];
    return [[frame.meta.streams?.op, (decodeStreams(frame.body) ?? []).map(({ key }) => key)]];
  });

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
};

/** Asks for the stream `mine` for the node's placement, while `edge-b` answers with these. */
async function bringTo(target: RecordingNode, streams: readonly KeptStream[]): Promise<void> {
  const at = nodes.findIndex(({ id }) => id === target.session.nodeId);
  const brought = moves.bring("mine", { placementId: placements[at]?.id ?? "", timeLeftMs: 1_000 });
  for (const node of [edgeA, edgeB, cloud])
    if (node !== target) node.answer(node === edgeB ? bundle(...streams) : bundle());
  await turns();
  target.answer();
  await brought;
}

describe("a stream that a placement does not know", () => {
  it("is brought to it from the node that keeps it", async () => {
    await bringTo(edgeA, [kept("mine")]);
    expect(sentTo(edgeB)).toEqual([["take", []]]);
    expect(sentTo(edgeA)).toEqual([["put", ["mine"]]]);
  });

  it("comes alone, whatever else a node answers", async () => {
    await bringTo(edgeA, [kept("yours"), kept("mine"), kept("theirs")]);
    expect(sentTo(edgeA)).toEqual([["put", ["mine"]]]);
  });

  it.each([
    ["a node answers with another one", kept("yours")],
    ["what is kept is of another version", kept("mine", { of: "digits:2" })],
  ])("begins anew when %s", async (_, stream) => {
    const brought = moves.bring("mine", { placementId: placements[0]?.id ?? "", timeLeftMs: 1_000 });
    cloud.answer(bundle());
    edgeB.answer(bundle(stream));
    await brought;
    expect(sentTo(edgeA)).toEqual([]);
  });

  it("that is for the edge alone comes to no cloud node, even if its node sends it", async () => {
    const brought = moves.bring("mine", { placementId: placements[2]?.id ?? "", timeLeftMs: 1_000 });
    edgeA.answer(bundle());
    edgeB.answer(bundle(kept("mine", { edgeOnly: true })));
    await brought;
    expect(sentTo(cloud)).toEqual([]);
  });
});
