import type { Owned } from "../../../../../shared/protocol/frames/body-assembly.ts";
import { own } from "../../../../../shared/bytes/owned-bytes.ts";
import { InferenceService } from "../../../../../control-plane/app/inference/inference-service.ts";
import type {
  InferenceResponse,
  InferenceRequest,
} from "../../../../../control-plane/app/inference/inference-request.ts";
import { type NodeSession, SessionRegistry } from "../../../../../control-plane/app/node-sessions/node-session.ts";
import { EvidenceMeter } from "../../../../../control-plane/app/rollouts/evidence-meter.ts";
import { Telemetry } from "../../../../../control-plane/app/inference/telemetry.ts";
import type { FleetDeployment, FleetNode } from "../../../../../control-plane/core/fleet/types.ts";
import type { ControlChannel, InferenceChannel } from "../../../../../control-plane/ports/nodes/channels.ts";
import { Cancellation } from "../../../../../shared/flow/cancellation.ts";
import type { PlacementId } from "../../../../../shared/base/ids.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import {
  decodeInferenceFrame,
  INFERENCE_FRAME,
  JSON_BODY,
  type InferenceFrame,
} from "../../../../../shared/protocol/frames/inference-frame.ts";
import type { ResponseFrame } from "../../../../../shared/protocol/frames/response-frame.ts";
import { aDeployment, aNode, aPlacement, aVersion, NOW } from "../../../../support/fleet/fleet-builder.ts";
import { fleetOf } from "../../../../support/fleet/fleet-in-memory.ts";
import { aSession } from "../../../../support/fleet/node-session.ts";
import { TestClock } from "../../../../support/test-clock.ts";
import { ownPaths } from "../../../../support/fleet/own-paths.ts";

const versions = [1, 2].map((version) => aVersion("digits", version));
const deployment = aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 2 } } });
export const [a, b] = [aNode("edge-a"), aNode("edge-b")];

/** A node that keeps what it was sent, and answers when the test says so. */
export class RecordingNode implements InferenceChannel {
  readonly session: NodeSession;
  readonly frames: InferenceFrame[] = [];
  readonly #order: RecordingNode[];

  constructor(node: FleetNode, order: RecordingNode[], clock: TestClock) {
    this.#order = order;
    const control: ControlChannel = {
      send: () => 1,
      close: () => undefined,
      lastByteAt: () => NOW,
      ping: () => undefined,
    };
    this.session = aSession(node, { control, clock });
    this.session.attachInference(this);
  }

  send(messages: readonly Uint8Array[]): boolean {
    if (!this.#order.includes(this)) this.#order.push(this);
    for (const message of messages) {
      const frame = decodeInferenceFrame(message);
      if (frame) this.frames.push(frame);
    }
    return true;
  }

  close(): void {
    this.session.detachInference(this);
  }

  lastByteAt(): number {
    return NOW;
  }

  answer(over: Partial<Owned<ResponseFrame>> = {}): void {
    const requestId = this.frames.findLast((frame) => frame.type === INFERENCE_FRAME.REQUEST)?.requestId ?? 0;
    const response = {
      type: INFERENCE_FRAME.RESPONSE,
      requestId,
      end: true,
      wasNotExecuted: false,
      status: 200,
      nodeInFlight: 0,
      queueUs: 100,
      computeUs: 900,
      bodyLength: 2,
      headerLength: JSON_BODY,
      placementInFlight: 0,
      meanUs: 900,
      p95Us: 1_000,
      slots: 1,
      meta: {},
      body: own(new TextEncoder().encode("{}")),
      ...over,
    };
    this.session.pending.settle(requestId, { kind: "answered", response });
  }
}

export interface Scene {
  /** Version of the placement on each node, in their order; 1 unless given. */
  readonly versionsOnNodes?: readonly number[];
  readonly deployment?: FleetDeployment;
  /** `edge-a` and `edge-b` unless given. */
  readonly fleetNodes?: readonly FleetNode[];
  /** Another model at version 1 on the first node and at version 2 on the second one, with this deployment. */
  readonly second?: FleetDeployment | undefined;
  /** Until when nodes that are away may be on their way back, in ms. */
  readonly awaitedUntil?: () => number | undefined;
}

export async function aService({
  deployment: declared = deployment,
  fleetNodes = [a, b],
  awaitedUntil = () => undefined,
  versionsOnNodes = [],
  second,
}: Scene = {}) {
  const clock = new TestClock(NOW);
  const placements = fleetNodes.map((node, at) => aPlacement(node, { version: versionsOnNodes[at] ?? 1 }));
  const beside = second && {
    deployments: [second],
    versions: [1, 2].map((version) => aVersion(second.spec.model, version)),
    placements: fleetNodes.map((node, at) => {
      const { name, spec } = second;
      return aPlacement(node, {
        id: `p-${name}-${at}` as PlacementId,
        deployment: name,
        model: spec.model,
        version: at + 1,
      });
    }),
  };
  const rows = {
    nodes: fleetNodes,
    versions: [...versions, ...(beside?.versions ?? [])],
    deployments: [declared, ...(beside?.deployments ?? [])],
    placements: [...placements, ...(beside?.placements ?? [])],
  };
  const fleet = await fleetOf(rows, clock);
  const registry = new SessionRegistry();
  const telemetry = new Telemetry();
  const order: RecordingNode[] = [];
  const nodes = Object.fromEntries(fleetNodes.map((node) => [node.name, new RecordingNode(node, order, clock)]));
  for (const { session } of Object.values(nodes)) registry.add(session);
  const evidence = new EvidenceMeter();
  const service = new InferenceService({
    evidence,
    fleet,
    paths: ownPaths(registry),
    telemetry,
    awaitedUntil,
    clock,
    random: seededRandom(1),
    recordEvent: () => undefined,
    onCascade: () => undefined,
  });
  service.start();
  /** The node that was asked first, and the one that was asked after it. */
  const asked = (): RecordingNode => order[0] ?? fail("no node was asked");
  const other = (): RecordingNode => order[1] ?? fail("no second node was asked");
  const named = (name: string): RecordingNode => nodes[name] ?? fail(`there is no ${name}`);
  /** Requests that the router believes to be at the nodes. */
  const inFlight = (): number => placements.reduce((sum, { id }) => sum + telemetry.of(id).inFlight, 0);
  return { clock, service, registry, nodes, named, order, asked, other, inFlight, telemetry, evidence };
}

function fail(why: string): never {
  throw new Error(why);
}

export const request = (over: Partial<InferenceRequest> = {}): InferenceRequest => ({
  model: "digits",
  version: undefined,
  body: [new TextEncoder().encode('{"inputs'), new TextEncoder().encode('":[]}')],
  headerLength: JSON_BODY,
  timeoutMs: 1_000,
  site: undefined,
  residency: undefined,
  prefer: undefined,
  traceparent: undefined,
  cancellation: new Cancellation(),
  ...over,
});

export const errorOf = ({ body }: InferenceResponse): string =>
  (JSON.parse(body instanceof Uint8Array ? new TextDecoder().decode(body) : "") as { error: string }).error;
