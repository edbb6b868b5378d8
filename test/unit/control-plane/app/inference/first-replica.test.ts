import { describe, expect, it } from "@jest/globals";
import type { InferenceRequest } from "../../../../../control-plane/app/inference/inference-request.ts";
import { EvidenceMeter } from "../../../../../control-plane/app/rollouts/evidence-meter.ts";
import { InferenceService } from "../../../../../control-plane/app/inference/inference-service.ts";
import { Telemetry } from "../../../../../control-plane/app/inference/telemetry.ts";
import { SessionRegistry } from "../../../../../control-plane/app/node-sessions/node-session.ts";
import type { FleetDeployment, FleetRows } from "../../../../../control-plane/core/fleet/types.ts";
import { own } from "../../../../../shared/bytes/owned-bytes.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { Cancellation } from "../../../../../shared/flow/cancellation.ts";
import {
  decodeInferenceFrame,
  INFERENCE_FRAME,
  JSON_BODY,
} from "../../../../../shared/protocol/frames/inference-frame.ts";
import { aDeployment, aNode, aPlacement, aVersion, NOW } from "../../../../support/fleet/fleet-builder.ts";
import { fleetOf } from "../../../../support/fleet/fleet-in-memory.ts";
import { aSession } from "../../../../support/fleet/node-session.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";
import { ownPaths } from "../../../../support/fleet/own-paths.ts";

const scaling = aDeployment({ name: "digits", model: "digits", version: 1, placement: { cloud: { min: 0, max: 2 } } });
const fixed = aDeployment({ name: "digits", model: "digits", version: 1, placement: { cloud: { min: 1 } } });
const node = aNode("pod-1", { kind: "cloud" });
/** It has no session here. */
const away = aNode("edge-1");

/** A router of a fleet in which nothing is placed, and the node that may get a replica. */
async function aRouter(deployment: FleetDeployment = scaling) {
  const clock = new TestClock(NOW);
  const rows: FleetRows = {
    nodes: [node, away],
    versions: [aVersion("digits", 1), aVersion("digits", 2)],
    deployments: [deployment],
    aliases: [],
    placements: [],
  };
  const fleet = await fleetOf(rows, clock);
  const registry = new SessionRegistry();
  const sent: number[] = [];
  let isRefusing = false;
  const session = aSession(node, {
    control: { send: () => 1, close: () => undefined, lastByteAt: () => clock.now(), ping: () => undefined },
    clock,
  });
  session.attachInference({
    send(messages) {
      for (const message of messages) {
        const frame = decodeInferenceFrame(message);
        if (frame?.type !== INFERENCE_FRAME.REQUEST) continue;
        sent.push(frame.requestId);
        answer(frame.requestId);
      }
      return true;
    },
    close: () => undefined,
    lastByteAt: () => clock.now(),
  });
  registry.add(session);
  function answer(requestId: number): void {
    const figures = {
      nodeInFlight: 0,
      queueUs: 0,
      computeUs: 900,
      placementInFlight: 0,
      meanUs: 900,
      p95Us: 900,
      slots: 1,
    };
    const over = isRefusing
      ? { status: 404, wasNotExecuted: true, meta: { code: "NOT_FOUND" as const } }
      : { status: 200, wasNotExecuted: false, meta: {} };
    const response = {
      type: INFERENCE_FRAME.RESPONSE,
      requestId,
      end: true,
      bodyLength: 2,
      headerLength: JSON_BODY,
      body: own(new TextEncoder().encode("{}")),
      ...figures,
      ...over,
    } as const;
    queueMicrotask(() => session.pending.settle(requestId, { kind: "answered", response }));
  }
  let waits = 0;
  const telemetry = new Telemetry();
  const service = new InferenceService({
    evidence: new EvidenceMeter(),
    fleet,
    paths: ownPaths(registry),
    telemetry,
    awaitedUntil: () => undefined,
    clock,
    random: seededRandom(1),
    recordEvent: () => undefined,
    onCascade: () => undefined,
    onWaiting: () => void (waits += 1),
  });
  service.start();
  const place = (placements: FleetRows["placements"]): void =>
    fleet.apply({ type: "rows-loaded", rows: { ...rows, placements } });
  return {
    clock,
    service,
    retries: telemetry.ofModel("digits").retries,
    sent,
    place,
    refuse: (whether: boolean) => void (isRefusing = whether),
    waits: () => waits,
    stop: async (): Promise<void> => {
      service.stop();
      await fleet.stop();
    },
  };
}

const request = (over: Partial<InferenceRequest> = {}): InferenceRequest => ({
  model: "digits",
  version: undefined,
  body: [new TextEncoder().encode("{}")],
  headerLength: JSON_BODY,
  timeoutMs: 5_000,
  site: undefined,
  residency: undefined,
  prefer: undefined,
  traceparent: undefined,
  cancellation: new Cancellation(),
  ...over,
});

describe("a request for a deployment without a replica", () => {
  it("waits for the first one, counts as demand meanwhile, and is answered by it", async () => {
    const { clock, service, sent, place, waits, stop } = await aRouter();
    const pending = service.infer(request());
    await clock.advance(2_000);
    expect(service.demands().get("digits")).toMatchObject({ waiting: 1 });
    expect([waits(), sent.length]).toEqual([1, 0]);
    place([aPlacement(node)]);
    await clock.advance(100);
    expect(await pending).toMatchObject({ status: 200, node: "pod-1" });
    expect(service.demands().get("digits")).toMatchObject({ waiting: 0, serviceMs: 0.9 });
    await stop();
  });

  it("is refused at its deadline, with how long it waited", async () => {
    const { clock, service, stop } = await aRouter();
    const pending = service.infer(request({ timeoutMs: 3_000 }));
    await clock.advance(3_100);
    const answer = await pending;
    expect(answer).toMatchObject({ status: 503, code: "MODEL_NOT_READY" });
    expect(answer.body instanceof Uint8Array && new TextDecoder().decode(answer.body)).toContain(
      "no replica became ready within the 3 s",
    );
    await stop();
  });

  it("is refused at once where demand brings no replica, where it names a node, and for a version that is not deployed", async () => {
    const steady = await aRouter(fixed);
    expect(await steady.service.infer(request())).toMatchObject({ code: "MODEL_NOT_READY" });
    await steady.stop();
    const { service, waits, stop } = await aRouter();
    expect(await service.infer(request({ prefer: { kind: "node", name: "pod-1" } }))).toMatchObject({
      code: "MODEL_NOT_READY",
    });
    expect(await service.infer(request({ version: "7" }))).toMatchObject({ code: "NOT_FOUND" });
    expect(waits()).toBe(0);
    await stop();
  });

  it("waits no longer than its caller", async () => {
    const { clock, service, stop } = await aRouter();
    const cancellation = new Cancellation();
    const pending = service.infer(request({ cancellation }));
    await clock.advance(100);
    cancellation.cancel();
    expect(await pending).toMatchObject({ code: "CANCELLED" });
    await clock.advance(16_000);
    expect(service.demands().size).toBe(0);
    await stop();
  });

  it("is sent elsewhere when this control plane stops", async () => {
    const { clock, service, stop } = await aRouter();
    const pending = service.infer(request());
    await clock.advance(100);
    service.drain();
    expect(await pending).toMatchObject({ code: "DRAINING" });
    await stop();
  });

  it("is sent elsewhere when the server begins to stop, while a replica that is ready goes on answering", async () => {
    const { clock, service, place, stop } = await aRouter();
    const waiting = service.infer(request());
    await clock.advance(100);
    service.endWaits();
    expect(await waiting).toMatchObject({ code: "DRAINING" });
    expect(await service.infer(request())).toMatchObject({ code: "DRAINING" });
    place([aPlacement(node)]);
    expect(await service.infer(request())).toMatchObject({ status: 200 });
    await stop();
  });

  it("waits for the next one when the last has just left its node", async () => {
    const { clock, service, sent, place, refuse, stop } = await aRouter();
    place([aPlacement(node)]);
    refuse(true);
    const pending = service.infer(request());
    await settle();
    place([]);
    refuse(false);
    await clock.advance(1_000);
    expect(sent).toHaveLength(1);
    place([aPlacement(node)]);
    await clock.advance(100);
    expect(await pending).toMatchObject({ status: 200 });
    await stop();
  });

  it("waits for the version that it names while another one is ready, and asks for a plan once", async () => {
    const { clock, service, sent, place, waits, stop } = await aRouter(
      aDeployment({ name: "digits", model: "digits", version: 2, placement: { cloud: { min: 0, max: 2 } } }),
    );
    place([aPlacement(node)]);
    const pending = service.infer(request({ version: "2" }));
    await clock.advance(2_000);
    expect([waits(), sent.length]).toEqual([1, 0]);
    expect(await service.infer(request())).toMatchObject({ status: 200, modelVersion: "digits:1" });
    place([aPlacement(node, { version: 2 })]);
    await clock.advance(100);
    expect(await pending).toMatchObject({ status: 200, modelVersion: "digits:2" });
    expect(waits()).toBe(1);
    await stop();
  });

  it("waits for a node at the edge when it may not leave the edge, and asks for a plan once", async () => {
    const { clock, service, sent, place, waits, stop } = await aRouter();
    place([aPlacement(node), aPlacement(away)]);
    const pending = service.infer(request({ residency: "edge-only", timeoutMs: 2_000 }));
    await clock.advance(1_900);
    expect([waits(), sent.length]).toEqual([1, 0]);
    await clock.advance(200);
    expect(await pending).toMatchObject({ code: "MODEL_NOT_READY" });
    await stop();
  });

  it("is refused as soon as its residency allows none of the replicas that are ready", async () => {
    const { clock, service, place, waits, stop } = await aRouter();
    const edgeOnly = request({ residency: "edge-only" });
    const waiting = service.infer(edgeOnly);
    await clock.advance(100);
    place([aPlacement(node)]);
    await clock.advance(100);
    expect(await waiting).toMatchObject({ code: "RESIDENCY_UNSATISFIABLE" });
    expect(await service.infer(edgeOnly)).toMatchObject({ code: "RESIDENCY_UNSATISFIABLE" });
    expect(waits()).toBe(1);
    await stop();
  });

  it("asks for a plan and earns credit for retries once, however often its replica sends it back", async () => {
    const { clock, service, retries, sent, place, refuse, waits, stop } = await aRouter();
    while (retries.spend());
    place([aPlacement(node)]);
    refuse(true);
    const pending = service.infer(request());
    await clock.advance(2_000);
    expect(sent.length).toBeGreaterThan(10);
    expect([waits(), retries.hasCredit]).toEqual([1, false]);
    refuse(false);
    await clock.advance(100);
    expect(await pending).toMatchObject({ status: 200 });
    await stop();
  });

  it("is one of 1,024 that wait at most", async () => {
    const { clock, service, stop } = await aRouter();
    const pending = Array.from({ length: 1_025 }, () => service.infer(request()));
    await clock.advance(10);
    expect(await pending.at(-1)).toMatchObject({ status: 429, code: "QUEUE_FULL" });
    service.drain();
    await Promise.all(pending);
    await stop();
  });
});
