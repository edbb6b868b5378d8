import { describe, expect, it } from "@jest/globals";
import type { FleetDeployment } from "../../../../../control-plane/core/fleet/types.ts";
import { own } from "../../../../../shared/bytes/owned-bytes.ts";
import { aRollout } from "../../../../support/fleet/a-rollout.ts";
import { aDeployment, aNode } from "../../../../support/fleet/fleet-builder.ts";
import { settle } from "../../../../support/test-clock.ts";
import { a, aService, b, request } from "./service-rig.ts";

const WAVE = { deployment: "digits", rollout: 1, wave: 1 };
const cloud = aNode("cloud-a", { kind: "cloud" });

/** The answer of a model with three classes. */
const scores = (...data: readonly number[]) => ({
  body: own(
    Buffer.from(
      JSON.stringify({
        model_name: "digits",
        model_version: "1",
        outputs: [{ name: "scores", datatype: "FP32", shape: [1, data.length], data }],
      }),
    ),
  ),
});

/** `edge-a` has version 1; version 2 on `edge-b`, or on the cloud node, gets copies. */
async function aShadow({ isInCloud = false, second = undefined as FleetDeployment | undefined } = {}) {
  const spec = { name: "digits", model: "digits", version: 2, rollout: { strategy: "shadow" as const } };
  const scene = await aService({
    deployment: aDeployment(spec, { rollout: aRollout({ strategy: "shadow", share: 0 }) }),
    fleetNodes: [a, isInCloud ? cloud : b],
    versionsOnNodes: [1, 2],
    second,
  });
  const [old, fresh] = [scene.named("edge-a"), scene.named(isInCloud ? "cloud-a" : "edge-b")];
  /** A caller asks and is answered by version 1. */
  const ask = async (
    answer: Parameters<typeof old.answer>[0] = scores(0, 1, 0),
    over: Parameters<typeof request>[0] = {},
  ) => {
    const pending = scene.service.infer(request(over));
    await settle();
    old.answer(answer);
    return pending;
  };
  /** Lets what is due now happen. */
  const goOn = async (ms = 0): Promise<void> => scene.clock.advance(ms);
  const counted = () => scene.evidence.of(WAVE)?.counted.new;
  return { ...scene, old, fresh, ask, goOn, counted };
}

describe("copies of requests", () => {
  it("are sent unchanged to the new version when the caller has its answer", async () => {
    const { old, fresh, ask, goOn } = await aShadow();
    expect(await ask()).toMatchObject({ status: 200, modelVersion: "digits:1" });
    expect(fresh.frames).toEqual([]);
    await goOn();
    const [asked, copied] = [old.frames[0], fresh.frames[0]];
    expect(copied).toMatchObject({ body: asked && "body" in asked ? asked.body : undefined });
  });

  it("are compared with what the callers got", async () => {
    const { fresh, ask, goOn, counted } = await aShadow();
    await ask(scores(0, 1, 0));
    await goOn();
    fresh.answer(scores(0.25, 0.75, 0));
    await goOn(10_000);
    expect(counted()).toMatchObject({
      requests: 1,
      errors: {},
      shadow: { compared: 1, agreed: 1, largestDifference: 0.25 },
    });
    await ask(scores(0, 1, 0));
    await goOn();
    fresh.answer(scores(1, 0, 0));
    await settle();
    expect(counted()).toMatchObject({ requests: 2, shadow: { compared: 2, agreed: 1, largestDifference: 1 } });
  });

  it("count as failed, and as decided differently, when the new version fails, and not when it has no room", async () => {
    const { fresh, ask, goOn, counted } = await aShadow();
    await ask();
    await goOn();
    fresh.answer({ status: 500, meta: { code: "RUN_FAILED" } });
    await goOn(10_000);
    expect(counted()).toMatchObject({ requests: 1, errors: { RUN_FAILED: 1 }, shadow: { compared: 1, agreed: 0 } });
    await ask();
    await goOn();
    fresh.answer({ status: 429, meta: { code: "QUEUE_FULL" }, wasNotExecuted: true });
    await goOn();
    expect(counted()).toMatchObject({ requests: 1 });
  });

  it("go one at a time, with a rest of 49 times as long as the last one took", async () => {
    const { fresh, ask, goOn } = await aShadow();
    await ask();
    await goOn();
    await ask();
    await goOn(10);
    expect(fresh.frames).toHaveLength(1);
    fresh.answer(scores(0, 1, 0));
    await settle();
    await goOn(480);
    await ask();
    await goOn();
    expect(fresh.frames).toHaveLength(1);
    await goOn(10);
    await ask();
    await goOn();
    expect(fresh.frames).toHaveLength(2);
  });

  it("of one deployment do not wait for those of another", async () => {
    const spec = { name: "letters", model: "letters", version: 2, rollout: { strategy: "shadow" as const } };
    const rollout = aRollout({ model: "letters", strategy: "shadow", share: 0 });
    const { fresh, ask, goOn, evidence } = await aShadow({ second: aDeployment(spec, { rollout }) });
    await ask();
    await goOn();
    expect(fresh.frames).toHaveLength(1);
    await ask(scores(0, 1, 0), { model: "letters" });
    await goOn();
    expect(fresh.frames).toHaveLength(2);
    fresh.answer(scores(0, 1, 0));
    await settle();
    expect(evidence.of({ ...WAVE, deployment: "letters" })?.counted.new.shadow.compared).toBe(1);
  });

  it("are made neither of requests that failed, nor of large answers, nor of those that name a version", async () => {
    const { fresh, ask, goOn } = await aShadow();
    await ask({ status: 500, meta: { code: "RUN_FAILED" } });
    await ask({ body: own(new Uint8Array(65_537)) });
    await ask(scores(1), { version: "1" });
    await goOn();
    expect(fresh.frames).toEqual([]);
  });

  it("stay at the edge when their request must", async () => {
    const { fresh, ask, goOn, counted } = await aShadow({ isInCloud: true });
    await ask(scores(1, 0), { residency: "edge-only" });
    await goOn();
    expect([fresh.frames, counted()?.requests]).toEqual([[], 0]);
    await ask(scores(1, 0));
    await goOn();
    expect(fresh.frames).toHaveLength(1);
  });

  it("end with the control plane", async () => {
    const { fresh, service, ask, goOn, counted } = await aShadow();
    await ask();
    await goOn();
    service.stop();
    await settle();
    expect(fresh.frames.map(({ type }) => type)).toHaveLength(2);
    await ask();
    await goOn(60_000);
    expect([fresh.frames.length, counted()?.requests]).toEqual([2, 0]);
  });
});
