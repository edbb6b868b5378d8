import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  describeStep,
  planLocal,
  type PlacementSnapshot,
  type LocalView,
} from "../../../../../edge-node/core/placements/local-plan.ts";
import type { DesiredPlacement } from "../../../../../shared/protocol/messages/desired-placement.ts";
import { PLACEMENT_STATES } from "../../../../../shared/protocol/placement.ts";

const artifact = (n: number): `sha256:${string}` => `sha256:${String(n).padStart(64, "0")}`;

const desired = (
  placementId: string,
  version: number,
  overrides: Partial<DesiredPlacement> = {},
): DesiredPlacement => ({
  placementId,
  generation: 1,
  deployment: "d-1",
  model: "digits",
  version: String(version),
  artifact: artifact(version),
  want: "serve",
  residency: "any",
  limits: { memMiB: 256, maxBatch: 8, queue: 64, timeoutMs: 2_000 },
  ...overrides,
});

const held = (spec: DesiredPlacement, overrides: Partial<PlacementSnapshot> = {}): PlacementSnapshot => ({
  spec,
  state: "ready",
  hostState: "running",
  notBefore: 0,
  ...overrides,
});

const view = (
  overrides: Partial<LocalView> & { wanted?: DesiredPlacement[]; here?: PlacementSnapshot[] },
): LocalView => ({
  desired: { cordoned: false, placements: overrides.wanted ?? [] },
  retained: [],
  placements: new Map((overrides.here ?? []).map((each) => [each.spec.placementId, each])),
  complete: new Set([artifact(1), artifact(2)]),
  previous: [],
  now: 1_000,
  ...overrides,
});

const describePlan = (of: LocalView): string[] => planLocal(of).steps.map(describeStep);

describe("planLocal", () => {
  it("takes up what is new, then stages it, then starts it", () => {
    const wanted = [desired("p-1", 1)];
    expect(describePlan(view({ wanted }))).toEqual(["adopt p-1 (digits:1)"]);
    const offered = held(desired("p-1", 1), { state: "offered", hostState: "none" });
    expect(describePlan(view({ wanted, here: [offered] }))).toEqual(["stage p-1 (digits:1)"]);
    expect(describePlan(view({ wanted, here: [{ ...offered, state: "staged" }] }))).toEqual(["start p-1 (digits:1)"]);
  });

  it("waits for the bytes that are missing, and says so again when they went bad", () => {
    const wanted = [desired("p-1", 1)];
    const complete = new Set<string>();
    const waiting = held(desired("p-1", 1), { state: "offered", hostState: "none" });
    expect(describePlan(view({ wanted, complete, here: [waiting] }))).toEqual([]);
    const staged = held(desired("p-1", 1), { state: "staged", hostState: "none" });
    expect(describePlan(view({ wanted, complete, here: [staged] }))).toEqual(["await the bytes of p-1 (digits:1)"]);
  });

  it("leaves a held placement staged, and stops it when it ran", () => {
    const wanted = [desired("p-1", 1, { want: "hold" })];
    const staged = held(desired("p-1", 1, { want: "hold" }), { state: "staged", hostState: "none" });
    expect(describePlan(view({ wanted, here: [staged] }))).toEqual([]);
    const running = held(desired("p-1", 1, { want: "hold" }));
    expect(describePlan(view({ wanted, here: [running] }))).toEqual(["stop p-1 (digits:1): it is to be held only"]);
  });

  it("stops and then forgets what is not wanted", () => {
    expect(describePlan(view({ here: [held(desired("p-1", 1))] }))).toEqual([
      "stop p-1 (digits:1): it is not wanted here any more",
    ]);
    const stopped = held(desired("p-1", 1), { state: "draining", hostState: "none" });
    expect(describePlan(view({ here: [stopped] }))).toEqual(["forget p-1 (digits:1)"]);
  });

  it("waits out a restart's back-off, and a failure without end unless a time is set", () => {
    const wanted = [desired("p-1", 1)];
    const crashed = held(desired("p-1", 1), { state: "staged", hostState: "none", notBefore: 1_300 });
    expect(planLocal(view({ wanted, here: [crashed] }))).toMatchObject({ steps: [], wakeAt: 1_300 });
    const failed = held(desired("p-1", 1), { state: "failed", hostState: "none", notBefore: Infinity });
    expect(planLocal(view({ wanted, here: [failed] }))).toMatchObject({ steps: [], wakeAt: undefined });
    expect(describePlan(view({ wanted: [desired("p-1", 1, { generation: 2 })], here: [failed] }))).toEqual([
      "adopt p-1 (digits:1)",
    ]);
  });

  it("keeps a retained placement until its successor is ready", () => {
    const wanted = [desired("p-2", 2)];
    const retained = [desired("p-1", 1)];
    const old = held(desired("p-1", 1));
    const loading = held(desired("p-2", 2), { state: "loading", hostState: "starting" });
    expect(describePlan(view({ wanted, retained, here: [old, loading] }))).toEqual([]);
    const ready = held(desired("p-2", 2));
    expect(describePlan(view({ wanted, retained, here: [old, ready] }))).toEqual([
      "stop p-1 (digits:1): it is not wanted here any more",
    ]);
    const failed = held(desired("p-2", 2), { state: "failed", hostState: "none", notBefore: Infinity });
    expect(describePlan(view({ wanted, retained, here: [old, failed] }))).toEqual([]);
  });

  it("starts a retained placement again when its host crashes", () => {
    const crashed = held(desired("p-1", 1), { state: "staged", hostState: "none" });
    const waiting = held(desired("p-2", 2), { state: "offered", hostState: "none" });
    const complete = new Set([artifact(1)]);
    const crash = view({
      wanted: [desired("p-2", 2)],
      retained: [desired("p-1", 1)],
      here: [crashed, waiting],
      complete,
    });
    expect(describePlan(crash)).toEqual(["start p-1 (digits:1)"]);
  });

  it("ignores the word of an older generation, and takes changed limits to a running host", () => {
    const here = [held(desired("p-1", 1, { generation: 4 }))];
    expect(describePlan(view({ wanted: [desired("p-1", 1)], here }))).toEqual([]);
    for (const changed of [{ queue: 8 }, { maxBatch: 1 }, { maxDelayUs: 500 }, { timeoutMs: 1 }, { memMiB: 1 }]) {
      const limits = { ...desired("p-1", 1).limits, ...changed };
      expect(describePlan(view({ wanted: [desired("p-1", 1, { generation: 4, limits })], here }))).toEqual([
        "adopt p-1 (digits:1)",
      ]);
    }
  });

  it("takes to a running host that it is on standby, and that it is no more", () => {
    const [active, standby] = [desired("p-1", 1), desired("p-1", 1, { standby: true })];
    expect(describePlan(view({ wanted: [standby], here: [held(active)] }))).toEqual(["adopt p-1 (digits:1)"]);
    expect(describePlan(view({ wanted: [active], here: [held(standby)] }))).toEqual(["adopt p-1 (digits:1)"]);
    expect(describePlan(view({ wanted: [standby], here: [held(standby)] }))).toEqual([]);
  });

  it("takes the aliases of a version to a running host, and plans nothing while they stay", () => {
    const here = [held(desired("p-1", 1, { aliases: ["champion"] }))];
    for (const aliases of [undefined, ["stable"], ["champion", "stable"]])
      expect(describePlan(view({ wanted: [desired("p-1", 1, aliases && { aliases })], here }))).toEqual([
        "adopt p-1 (digits:1)",
      ]);
    expect(describePlan(view({ wanted: [desired("p-1", 1, { aliases: ["champion"] })], here }))).toEqual([]);
    expect(
      describePlan(view({ wanted: [desired("p-1", 1, { aliases: [] })], here: [held(desired("p-1", 1))] })),
    ).toEqual([]);
  });

  it("keeps the files of what is wanted, what runs and what is kept for a way back", () => {
    const running = held(desired("p-1", 1), { hostState: "stopping", state: "draining" });
    const { keep } = planLocal(view({ wanted: [desired("p-3", 3)], here: [running], previous: [artifact(2)] }));
    expect(keep).toEqual([artifact(1), artifact(2), artifact(3)]);
  });

  const anyWish = fc
    .record({
      id: fc.integer({ min: 1, max: 4 }),
      version: fc.integer({ min: 1, max: 3 }),
      generation: fc.integer({ min: 1, max: 3 }),
      want: fc.constantFrom("serve" as const, "hold" as const),
      deployment: fc.constantFrom("d-1", "d-2"),
    })
    .map(({ id, version, ...rest }) => desired(`p-${id}`, version, rest));
  const HOSTS = {
    loading: "starting",
    warming: "starting",
    ready: "running",
    draining: "stopping",
  } as const;
  const anyHeld = fc
    .tuple(anyWish, fc.constantFrom(...PLACEMENT_STATES.filter((state) => state !== "gone")), fc.nat({ max: 2_000 }))
    .map(([spec, state, notBefore]) =>
      held(spec, { state, hostState: state in HOSTS ? HOSTS[state as keyof typeof HOSTS] : "none", notBefore }),
    );
  const anyView = fc
    .record({
      wanted: fc.uniqueArray(anyWish, { selector: ({ placementId }) => placementId, maxLength: 4 }),
      here: fc.uniqueArray(anyHeld, { selector: ({ spec }) => spec.placementId, maxLength: 4 }),
      retained: fc.uniqueArray(anyWish, { selector: ({ placementId }) => placementId, maxLength: 2 }),
      complete: fc.subarray([artifact(1), artifact(2), artifact(3)]).map((list) => new Set<string>(list)),
    })
    .map((parts) => view(parts));

  it("gives the same plan for the same view, and at most one step for each placement", () => {
    fc.assert(
      fc.property(anyView, (any) => {
        const plan = planLocal(any);
        expect(planLocal(any)).toEqual(plan);
        const ids = plan.steps.map(({ placement }) => placement.placementId);
        expect(new Set(ids).size).toBe(ids.length);
      }),
    );
  });

  it("never stops the last ready host of a deployment before the next is ready, when it was retained", () => {
    fc.assert(
      fc.property(anyView, (any) => {
        const retained = [...any.placements.values()]
          .filter(({ state, spec }) => state === "ready" && spec.want === "serve")
          .map(({ spec }) => spec)
          .filter(({ placementId }) => !any.desired.placements.some((each) => each.placementId === placementId));
        const plan = planLocal({ ...any, retained });
        for (const { deployment, placementId } of retained) {
          const next = any.desired.placements.filter((each) => each.deployment === deployment && each.want === "serve");
          const isReplaced = next.some((each) => any.placements.get(each.placementId)?.state === "ready");
          const isStopped = plan.steps.some(
            (step) => step.kind === "stop-host" && step.placement.placementId === placementId,
          );
          expect(isStopped).toBe(next.length === 0 || isReplaced);
        }
      }),
    );
  });

  it("comes to rest: carried out again and again, the steps end with everything wanted ready or staged", () => {
    fc.assert(
      fc.property(anyView, (any) => {
        const now = 10_000;
        let present: LocalView = { ...any, now, complete: new Set([artifact(1), artifact(2), artifact(3)]) };
        for (let turn = 0; turn < 30; turn += 1) present = { ...present, placements: execute(present) };
        expect(planLocal(present).steps).toEqual([]);
        for (const { placementId, generation } of present.desired.placements) {
          const here = present.placements.get(placementId);
          if (here?.spec.generation === generation && here.spec.want === "serve") expect(here.state).toBe("ready");
        }
      }),
    );
  });
});

/** What a perfect executor makes of a view: every step succeeds, everything under way ends. */
function execute(of: LocalView): Map<string, PlacementSnapshot> {
  const next = new Map(of.placements);
  for (const [id, each] of next) {
    if (each.hostState === "starting") next.set(id, { ...each, state: "ready", hostState: "running" });
    if (each.hostState === "stopping") next.set(id, { ...each, hostState: "none" });
  }
  for (const { kind, placement } of planLocal(of).steps) {
    const id = placement.placementId;
    const each = of.placements.get(id);
    if (kind === "forget") next.delete(id);
    else if (kind === "adopt")
      next.set(
        id,
        each ? { ...each, spec: placement, notBefore: 0 } : held(placement, { state: "offered", hostState: "none" }),
      );
    else if (each && kind === "stage") next.set(id, { ...each, state: "staged" });
    else if (each && kind === "start-host") next.set(id, { ...each, state: "loading", hostState: "starting" });
    else if (each && kind === "stop-host") next.set(id, { ...each, state: "draining", hostState: "stopping" });
  }
  return next;
}
