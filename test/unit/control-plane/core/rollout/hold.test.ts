import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { frozenBy } from "../../../../../control-plane/core/rollout/freeze.ts";
import { ENDED_PHASES, type RolloutRecord } from "../../../../../shared/api/v1/rollouts/rollouts.ts";
import { anything, happen } from "../../../../support/fleet/rollout-happenings.ts";
import { EIGHT_NODES, RolloutWorld } from "../../../../support/fleet/rollout-world.ts";

const HOUR = 3_600;
/** A Wednesday. */
const NOON = Date.parse("2026-03-04T12:00:00Z");
type RolloutInput = NonNullable<ConstructorParameters<typeof RolloutWorld>[0]>;

/** All nodes have version 1 at noon, and version 2 is declared. */
function under(rollout: RolloutInput): RolloutWorld {
  const world = new RolloutWorld(rollout);
  world.now = NOON;
  world.standStill();
  world.declare({ version: 2 });
  world.standStill();
  return world;
}

const reasons = ({ events }: RolloutWorld): readonly string[] => events.map((event) => event.split(":")[0] ?? "");

describe("a rollout that needs approval", () => {
  it("begins when an operator has approved, and its record has the name and the reason", () => {
    const world = under({ approval: ["start"] });
    world.wait(10 * HOUR);
    expect(world.rollout).toMatchObject({
      phase: "pending",
      nodes: [],
      waitsFor: { what: "approval", stage: "start", sentence: "digits:2 waits for approval before it begins" },
    });
    expect(reasons(world)).toEqual(["RolloutStarted", "RolloutWaiting"]);
    expect(world.act("approve", "ana", "tested in the laboratory")).toBeUndefined();
    world.standStill();
    expect(world.rollout).toMatchObject({
      phase: "baking",
      wave: 1,
      waitsFor: null,
      approvals: [{ stage: "start", who: "ana", why: "tested in the laboratory" }],
    });
    expect(world.events).toContain("RolloutApproved: ana approved that digits:2 begins: tested in the laboratory");
  });

  it("bakes on before its version takes over, and returns if it fails meanwhile", () => {
    const world = under({ strategy: "blue-green", approval: ["promote"] });
    expect(world.act("approve")).toMatch(/is not about to take over/);
    world.wait(10);
    expect(world.rollout).toMatchObject({ phase: "baking", waitsFor: { what: "approval", stage: "promote" } });
    expect(world.readyOn(1)).toHaveLength(EIGHT_NODES.length);
    world.crash("edge-b", 2);
    world.standStill();
    expect(world.rollout).toMatchObject({ phase: "rolled-back", waitsFor: null });
  });

  it("takes over when that is approved, and no approval is given twice", () => {
    const world = under({ strategy: "blue-green", approval: ["start", "promote"] });
    expect(world.act("approve", "ana")).toBeUndefined();
    expect(world.act("approve", "ana")).toMatch(/is not about to take over/);
    world.standStill();
    world.wait(10);
    expect(world.act("approve", "ben")).toBeUndefined();
    expect(world.act("approve", "ben")).toMatch(/has its approvals: there is nothing to approve/);
    world.standStill();
    expect(world.rollout).toMatchObject({
      phase: "promoted",
      approvals: [
        { stage: "start", who: "ana", why: null },
        { stage: "promote", who: "ben", why: null },
      ],
    });
  });

  it("is not promoted without it where nothing has the version before", () => {
    const world = new RolloutWorld({ approval: ["promote"] });
    world.now = NOON;
    world.standStill();
    world.declare({ version: 2 });
    for (const step of world.steps()) world.execute(step);
    world.declare({ version: 1 });
    expect(world.act("promote")).toBeUndefined();
    for (let turn = 0; turn < 2; turn += 1) for (const step of world.steps()) world.execute(step);
    expect(world.rollout).toMatchObject({
      from: 2,
      to: 1,
      phase: "pending",
      waitsFor: { what: "approval", stage: "promote" },
    });
  });

  it("has them from the operator who promotes it", () => {
    const world = under({ approval: ["start", "promote"] });
    expect(world.act("promote", "ana", "a security fix")).toBeUndefined();
    const given = { who: "ana", why: "a security fix" };
    expect(world.rollout).toMatchObject({
      phase: "promoted",
      approvals: [
        { stage: "start", ...given },
        { stage: "promote", ...given },
      ],
    });
  });

  it("that was paused before it began goes on to wait when it is resumed", () => {
    const world = under({ approval: ["start"] });
    world.act("pause");
    expect(world.rollout).toMatchObject({ phase: "paused", waitsFor: null });
    world.act("resume");
    world.standStill();
    expect(world.rollout).toMatchObject({ phase: "pending", waitsFor: { stage: "start" } });
  });

  it("is refused an approval that it does not need", () => {
    const world = under({});
    expect(world.act("approve")).toMatch(/needs no approval: there is nothing to approve/);
  });

  it("returns by `undo` without one", () => {
    const world = under({ strategy: "blue-green", approval: ["start", "promote"] });
    world.act("promote");
    world.standStill();
    world.act("undo");
    world.standStill();
    expect(world.rollout).toMatchObject({ from: 2, to: 1, phase: "promoted" });
    expect(world.readyOn(1)).toHaveLength(EIGHT_NODES.length);
  });
});

describe("a rollout in a frozen window", () => {
  const afternoon = [{ from: "12:00", to: "18:00" }];

  it("begins when the window is over", () => {
    const world = under({ freeze: afternoon });
    expect(world.rollout).toMatchObject({
      phase: "pending",
      waitsFor: { what: "freeze-end", sentence: "digits:2 waits: frozen every day 12:00–18:00 (UTC)" },
    });
    world.wait(6 * HOUR - 1);
    expect(world.rollout?.phase).toBe("pending");
    world.wait(1);
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 1, waitsFor: null });
    expect(reasons(world)).toEqual(["RolloutStarted", "RolloutWaiting"]);
  });

  it("stays in its wave, and returns if that fails", () => {
    const world = under({ freeze: [{ from: "12:01", to: "18:00" }], bakeSeconds: 120 });
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 1 });
    world.wait(200);
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 1, waitsFor: { what: "freeze-end" } });
    const [first = ""] = world.readyOn(2);
    world.crash(first, 2);
    world.standStill();
    expect(world.rollout).toMatchObject({ phase: "rolled-back" });
  });

  it("loads nothing on nodes that received its bytes before", () => {
    const world = new RolloutWorld({ freeze: [{ from: "12:01", to: "18:00" }] });
    world.now = NOON;
    world.standStill();
    world.declare({ version: 2 });
    while (world.rollout?.phase !== "staging") for (const step of world.steps()) world.execute(step);
    world.now += 60_000;
    world.standStill();
    expect(world.rollout).toMatchObject({ phase: "staging", waitsFor: { what: "freeze-end" } });
    expect(world.readyOn(2)).toEqual([]);
    world.wait(6 * HOUR);
    expect(world.rollout).toMatchObject({ phase: "baking", waitsFor: null });
  });

  it("returns if it gets worse while the next wave has its bytes and waits", () => {
    const world = under({ freeze: [{ from: "12:01", to: "18:00" }], waves: [{ percent: 10 }], bakeSeconds: 59 });
    world.now += 59_000;
    for (let turn = 0; turn < 20 && world.rollout?.phase !== "staging"; turn += 1)
      for (const step of world.steps()) world.execute(step);
    world.wait(1);
    expect(world.rollout).toMatchObject({ phase: "staging", wave: 2, waitsFor: { what: "freeze-end" } });
    expect(world.rollout?.share).toBeGreaterThan(0);
    world.verdict = {
      verdict: "fail",
      findings: [{ check: "errors", result: "fail", sentence: "5 % of its requests fail" }],
    };
    world.wait(1);
    expect(world.rollout).toMatchObject({ phase: "rolled-back", share: 0, waitsFor: null });
  });

  it("is promoted by an operator, and returns by one", () => {
    const promoted = under({ freeze: afternoon });
    expect(promoted.act("promote")).toBeUndefined();
    expect(promoted.rollout?.phase).toBe("promoted");
    const aborted = under({ freeze: afternoon });
    expect(aborted.act("abort")).toBeUndefined();
    aborted.standStill();
    expect(aborted.rollout?.phase).toBe("rolled-back");
  });
});

/** What the control plane does of itself that a hold stops. */
function goesOn(before: RolloutRecord | undefined, after: RolloutRecord): "begin" | "go" | "promote" | undefined {
  if (before === undefined || after.notes.at(-1)?.who !== "skerry") return undefined;
  if (after.phase === "promoted" && before.phase !== "promoted") return "promote";
  if (before.phase === "pending" && after.phase === "staging") return "begin";
  if (after.wave > before.wave || (before.phase === "staging" && after.phase === "switching")) return "go";
  return undefined;
}

describe("whatever happens in rollouts with approvals and frozen windows", () => {
  const hour = (of: number): string => `${String(of % 24).padStart(2, "0")}:00`;
  const window = fc.nat(23).map((from) => ({ from: hour(from), to: hour(from + 6) }));
  const rollout = fc.record({
    strategy: fc.constantFrom("rolling", "canary", "blue-green", "shadow", "recreate"),
    approval: fc.constantFrom(undefined, ["start"], ["promote"], ["start", "promote"]),
    freeze: fc.option(fc.array(window, { minLength: 1, maxLength: 2 }), { nil: undefined }),
  });

  it("no wave begins in a frozen window, nothing goes on without its approval, and the rollout ends when it has both", () => {
    fc.assert(
      fc.property(rollout, fc.array(anything, { minLength: 5, maxLength: 60 }), (chosen, happenings) => {
        const world = new RolloutWorld(chosen as RolloutInput);
        world.now = NOON;
        world.onRecord = (before, after) => {
          const what = goesOn(before, after);
          if (what === undefined) return;
          expect(frozenBy(after.freeze, world.now)).toBeUndefined();
          const approved = after.approvals.map(({ stage }) => stage);
          if (what === "begin" && after.approval.includes("start")) expect(approved).toContain("start");
          if (what === "promote") expect(approved).toEqual(expect.arrayContaining([...after.approval]));
        };
        world.standStill();
        world.declare({ version: 2 });
        for (const what of happenings) happen(world, what);
        world.plugIn(...EIGHT_NODES.map(({ name }) => name));
        world.broken.clear();
        world.verdict = undefined;
        world.standStill();
        if (world.rollout?.phase === "paused") world.act("resume");
        for (let turn = 0; turn < 20; turn += 1) {
          world.act("approve");
          world.wait(5 * HOUR);
        }
        expect(ENDED_PHASES).toContain(world.rollout?.phase ?? "promoted");
      }),
      { numRuns: 60 },
    );
  });
});
