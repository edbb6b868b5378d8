import { describe, expect, it } from "@jest/globals";
import type { RequestEvidence } from "../../../../../control-plane/core/rollout/gate/evidence.ts";
import { bucketOf } from "../../../../../control-plane/core/rollout/gate/latency-histogram.ts";
import type { RolloutRecord } from "../../../../../shared/api/v1/rollouts/rollouts.ts";
import { Cancellation } from "../../../../../shared/flow/cancellation.ts";
import { aRollout } from "../../../../support/fleet/a-rollout.ts";
import { aDeployment } from "../../../../support/fleet/fleet-builder.ts";
import { settle } from "../../../../support/test-clock.ts";
import { aService, request } from "./service-rig.ts";

const WAVE = { deployment: "digits", rollout: 1, wave: 1 };

/** `edge-a` has version 1, `edge-b` version 2, and the rollout gives `share` percent of the requests to version 2. */
async function aRolloutService(over: Partial<RolloutRecord>, isCascade = false) {
  const spec = { name: "digits", model: "digits", version: 2, rollout: { strategy: "canary" as const } };
  const cascade = { to: "big", when: { answer: { measure: "confidence" as const, threshold: 0.9 } } };
  const scene = await aService({
    deployment: aDeployment({ ...spec, ...(isCascade && { cascade }) }, { rollout: aRollout(over) }),
    versionsOnNodes: [1, 2],
    second: isCascade ? aDeployment({ name: "big", model: "big", version: 1 }) : undefined,
  });
  const { service, named, clock, evidence } = scene;
  const ask = async (
    { node, takesMs, ...answer }: { node: string; takesMs: number } & Parameters<ReturnType<typeof named>["answer"]>[0],
    over: Parameters<typeof request>[0] = {},
  ) => {
    const pending = service.infer(request(over));
    await settle();
    await clock.advance(takesMs);
    named(node).answer(answer);
    return pending;
  };
  const counted = (): Partial<Record<"old" | "new", RequestEvidence>> => evidence.of(WAVE)?.counted ?? {};
  return { ...scene, ask, counted };
}

const once = (ms: number): readonly number[] => [...Array.from({ length: bucketOf(ms) }, () => 0), 1];

describe("requests of a rollout", () => {
  it("count for the version that answered, with the time that the caller waited and the kind of node", async () => {
    const { ask, counted } = await aRolloutService({ share: 100 });
    expect(await ask({ node: "edge-b", takesMs: 20 })).toMatchObject({ modelVersion: "digits:2" });
    expect(counted()).toMatchObject({
      old: { requests: 0 },
      new: { requests: 1, errors: {}, latency: { edge: once(20), cloud: [] } },
    });
  });

  it("count as failed with their code", async () => {
    const { ask, counted } = await aRolloutService({ share: 0 });
    await ask({ node: "edge-a", takesMs: 1, status: 500, meta: { code: "RUN_FAILED" } });
    expect(counted()).toMatchObject({ old: { requests: 1, errors: { RUN_FAILED: 1 }, latency: { edge: [] } } });
  });

  it("count for the small model of a cascade by its own answer, when the large one answers in its place", async () => {
    const { service, named, clock, counted } = await aRolloutService({ share: 100 }, true);
    const pending = service.infer(request());
    await settle();
    await clock.advance(20);
    named("edge-b").answer({ meta: { doubtful: true } });
    await settle();
    await clock.advance(300);
    named("edge-a").answer();
    expect(await pending).toMatchObject({ modelVersion: "big:1", route: { reason: "cascade" } });
    expect(counted()).toMatchObject({
      old: { requests: 0 },
      new: { requests: 1, errors: {}, latency: { edge: once(20), cloud: [] } },
    });
  });

  it("do not count for a small model that was not asked", async () => {
    const { service, named, counted } = await aRolloutService({ share: 100 }, true);
    const pending = service.infer(request({ cascade: { wants: "large", promptCharacters: 0 } }));
    await settle();
    named("edge-a").answer();
    expect(await pending).toMatchObject({ modelVersion: "big:1" });
    expect(counted()).toEqual({});
  });

  it("are not counted when their caller left, nor when they name a version", async () => {
    const { ask, counted, service } = await aRolloutService({ share: 100 });
    const cancellation = new Cancellation();
    const left = service.infer(request({ cancellation }));
    await settle();
    cancellation.cancel();
    await left;
    await ask({ node: "edge-b", takesMs: 1 }, { version: "2" });
    expect(counted()).toEqual({});
  });

  it("are counted while the new version answers any, and not where no time is given to prove anything", async () => {
    for (const over of [{ phase: "staging" as const }, { bakeSeconds: 0 }]) {
      const { ask, counted } = await aRolloutService({ share: 100, ...over });
      await ask({ node: "edge-b", takesMs: 1 });
      expect(counted()).toEqual({});
    }
    for (const phase of ["staging", "switching"] as const) {
      const { ask, counted } = await aRolloutService({ share: 100, phase, wave: 2 });
      await ask({ node: "edge-b", takesMs: 1 });
      expect(counted()).toMatchObject({ new: { requests: 1 } });
    }
    const paused = await aRolloutService({ share: 100, phase: "paused", resumes: "baking" });
    await paused.ask({ node: "edge-b", takesMs: 1 });
    expect(paused.counted()).toMatchObject({ new: { requests: 1 } });
  });

  it("stay with one version when they have one sticky key", async () => {
    const { service, order, named } = await aRolloutService({ share: 50 });
    for (let index = 0; index < 20; index += 1) {
      const pending = service.infer(request({ sticky: "user-7" }));
      await settle();
      order[0]?.answer();
      await pending;
    }
    expect(order).toHaveLength(1);
    expect([named("edge-a"), named("edge-b")]).toContain(order[0]);
  });
});
