import { describe, expect, it } from "@jest/globals";
import type { Verdict } from "../../../../../control-plane/core/rollout/judged.ts";
import { RolloutWorld } from "../../../../support/fleet/rollout-world.ts";

function updating(...args: ConstructorParameters<typeof RolloutWorld>): RolloutWorld {
  const world = new RolloutWorld(...args);
  world.standStill();
  world.declare({ version: 2 });
  world.standStill();
  return world;
}
const stepsOf = ({ facts }: RolloutWorld) => facts.flatMap(({ steps }) => steps);
const causesOf = ({ facts }: RolloutWorld) => facts.flatMap(({ returns, pauses }) => returns ?? pauses ?? []);
const finding = (check: Verdict["findings"][number]["check"], result: "pass" | "fail" | "more") => ({
  check,
  result,
  sentence: "as the test says",
});

describe("what is counted of a rollout", () => {
  it("is each wave, and how long each phase took", () => {
    const world = updating({ strategy: "canary", waves: [{ percent: 50 }] });
    world.wait(10);
    world.wait(30);
    expect(stepsOf(world)).toEqual(["started", "wave-passed", "promoted"]);
    expect(world.facts.flatMap(({ left }) => (left?.phase === "baking" ? [left.ms] : []))).toEqual([10_000, 30_000]);
    expect(causesOf(world)).toEqual([]);
  });

  it("is the check by which a version was returned, and each check once when it is certain", () => {
    const world = updating();
    world.verdict = { verdict: "more", findings: [finding("errors", "more"), finding("p95", "pass")] };
    world.wait(1);
    world.wait(8);
    world.verdict = { verdict: "fail", findings: [finding("p95", "pass"), finding("errors", "fail")] };
    world.wait(1);
    expect(causesOf(world)).toEqual(["errors"]);
    expect(stepsOf(world)).toEqual(["started", "rolling-back", "rolled-back"]);
    expect(world.facts.flatMap(({ checks }) => checks)).toEqual([
      { check: "p95", result: "pass" },
      { check: "errors", result: "fail" },
    ]);
  });

  it.each([
    ["failed-nodes", (world: RolloutWorld) => (world.broken.set(3, new Set(["edge-a", "cloud-a"])), "version-3")],
    ["aborted", (world: RolloutWorld) => world.act("abort")],
    ["undone", (world: RolloutWorld) => world.act("undo")],
    ["declared-again", (world: RolloutWorld) => (world.declare({ version: 1 }), undefined)],
    ["operator", (world: RolloutWorld) => world.act("pause")],
  ])("is why it returns or pauses: %s", (cause, happens) => {
    const world = updating();
    if (happens(world) === "version-3") {
      world.wait(10);
      world.declare({ version: 3 });
    }
    world.standStill();
    expect(causesOf(world)).toEqual([cause]);
  });

  it("is that it waits for an operator because nothing is certain in time", () => {
    const world = updating();
    world.verdict = { verdict: "more", isOverdue: true, findings: [finding("requests", "more")] };
    world.wait(10);
    expect(causesOf(world)).toEqual(["uncertain"]);
  });

  it("is an undo after the promotion, too", () => {
    const world = updating({ strategy: "blue-green" });
    world.wait(10);
    world.act("undo");
    world.standStill();
    expect(causesOf(world)).toEqual(["undone"]);
    expect(stepsOf(world)).toEqual(["started", "promoted", "started", "promoted"]);
  });
});
