import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { ENDED_PHASES } from "../../../../../shared/api/v1/rollouts/rollouts.ts";
import { anything, happen } from "../../../../support/fleet/rollout-happenings.ts";
import { EIGHT_NODES, RolloutWorld } from "../../../../support/fleet/rollout-world.ts";

const NAMES = EIGHT_NODES.map(({ name }) => name);

/** A rollout from beginning to end, of which the leader dies once: after `lives` steps, in the middle of a run. */
function roll(
  lives: number,
  { broken, strategy }: { readonly broken: boolean; readonly strategy: "canary" | "recreate" },
) {
  const world = new RolloutWorld({ strategy, ...(strategy === "canary" && { waves: [{ percent: 30 }] }) });
  world.standStill();
  if (broken) world.broken.set(2, new Set(NAMES));
  world.declare({ version: 2 });
  let left = lives;
  let taken = 0;
  const decisions: string[] = [];
  for (let turn = 0; turn < 300; turn += 1) {
    const steps = world.steps();
    // The rest of the run is lost; its successor decides from what was written.
    const done = left >= 0 && left < steps.length ? steps.slice(0, left) : steps;
    for (const step of done) world.execute(step);
    taken += done.length;
    left -= steps.length;
    const decision = world.rollout && `${world.rollout.phase} ${world.rollout.wave} ${world.rollout.share}`;
    if (decision !== undefined && decisions.at(-1) !== decision) decisions.push(decision);
    const isBusy = world.work();
    if (steps.length > 0 || isBusy) continue;
    if (world.rollout && ENDED_PHASES.includes(world.rollout.phase)) break;
    world.now += 10_000;
  }
  const placements = world.placements().map(({ node, version, state }) => `${node} ${version} ${state}`);
  return { taken, decisions, events: world.events, placements: placements.toSorted() };
}

describe("a leader that dies in a rollout", () => {
  it.each([
    { broken: false, strategy: "canary" },
    { broken: true, strategy: "canary" },
    { broken: false, strategy: "recreate" },
  ] as const)("between any two steps skips no wave and takes none twice (%j)", (of) => {
    const { taken, ...whole } = roll(Infinity, of);
    expect(whole.decisions.at(-1)).toMatch(of.broken ? /^rolled-back/ : /^promoted/);
    expect(taken).toBeGreaterThan(10);
    for (let lives = 0; lives <= taken; lives += 1) {
      const { taken: _, ...cut } = roll(lives, of);
      expect(cut).toEqual(whole);
    }
  });
});

/** Each wave of each rollout passes once at most, and in their order. */
function wavesPassInOrder({ events }: RolloutWorld): void {
  let passed = 0;
  for (const event of events) {
    if (event.startsWith("RolloutStarted")) passed = 0;
    const wave = /^WavePromoted: .* passed wave (\d+)/.exec(event)?.[1];
    if (wave === undefined) continue;
    expect(Number(wave)).toBe(passed + 1);
    passed = Number(wave);
  }
}

/** Requests go to versions that answer, whatever the rollout has come to, as long as any answers. */
function requestsAreAnswered(world: RolloutWorld): void {
  const shares = Object.keys(world.shares()).map(Number);
  for (const version of shares) expect(world.readyOn(version)).not.toEqual([]);
  const { from, to } = world.rollout ?? { from: 1, to: 1 };
  if (world.readyOn(from).length + world.readyOn(to).length > 0) expect(shares).not.toEqual([]);
}

describe("whatever happens in rollouts", () => {
  const strategy = fc.constantFrom("rolling", "canary", "blue-green", "shadow", "recreate");
  const story = fc.array(anything, { minLength: 5, maxLength: 60 });

  it("waves pass in their order, requests go where they are answered, and in the end one version is everywhere", () => {
    fc.assert(
      fc.property(strategy, story, (chosen, happenings) => {
        const world = new RolloutWorld({ strategy: chosen });
        world.standStill();
        world.declare({ version: 2 });
        for (const what of happenings) {
          happen(world, what);
          wavesPassInOrder(world);
          requestsAreAnswered(world);
        }
        world.plugIn(...NAMES);
        world.broken.clear();
        world.verdict = undefined;
        world.standStill();
        if (world.rollout?.phase === "paused") world.act("resume");
        for (let wave = 0; wave < 8; wave += 1) world.wait(1_000);
        const phase = world.rollout?.phase ?? "promoted";
        expect(ENDED_PHASES).toContain(phase);
        const { from, to } = world.rollout ?? { from: 1, to: 1 };
        const version = world.rollout === undefined || phase === "promoted" ? to : from;
        expect(
          world
            .placements()
            .map((each) => `${each.node} ${each.version}`)
            .toSorted(),
        ).toEqual(NAMES.map((name) => `${name} ${version}`).toSorted());
      }),
      { numRuns: 60 },
    );
  });
});
