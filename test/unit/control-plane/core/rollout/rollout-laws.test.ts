import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { Verdict } from "../../../../../control-plane/core/rollout/judged.ts";
import { ENDED_PHASES, type RolloutRecord } from "../../../../../shared/api/v1/rollouts/rollouts.ts";
import { anything, happen } from "../../../../support/fleet/rollout-happenings.ts";
import { EIGHT_NODES, RolloutWorld } from "../../../../support/fleet/rollout-world.ts";

const NAMES = EIGHT_NODES.map(({ name }) => name);

interface Story {
  readonly about: string;
  readonly rollout: NonNullable<ConstructorParameters<typeof RolloutWorld>[0]>;
  readonly isBroken?: boolean;
  /** What the gate says, by where the rollout is. */
  readonly gate?: (rollout: RolloutRecord) => Verdict["verdict"];
  readonly ends: RegExp;
}

const CANARY: Story["rollout"] = { strategy: "canary", waves: [{ percent: 30 }] };
const THREE_WAVES: Story["rollout"] = { strategy: "canary", waves: [{ percent: 30 }, { percent: 60 }] };
/** The worlds begin 17 minutes after midnight, less 20 seconds. */
const FREEZE = [
  { from: "00:16", to: "00:17" },
  { from: "00:18", to: "00:20" },
];

const STORIES: readonly Story[] = [
  { about: "canary", rollout: CANARY, ends: /^promoted 2/ },
  { about: "a version that loads nowhere", rollout: CANARY, isBroken: true, ends: /^rolled-back 1/ },
  { about: "recreate", rollout: { strategy: "recreate" }, ends: /^promoted 1/ },
  { about: "blue-green", rollout: { strategy: "blue-green" }, ends: /^promoted 1/ },
  { about: "shadow", rollout: { strategy: "shadow" }, gate: () => "pass", ends: /^promoted 1/ },
  { about: "rolling", rollout: { strategy: "rolling", waves: [{ replicas: 2 }] }, ends: /^promoted 2/ },
  { about: "a gate that passes each wave", rollout: THREE_WAVES, gate: () => "pass", ends: /^promoted 3/ },
  {
    about: "a gate that stops the second wave",
    rollout: THREE_WAVES,
    gate: ({ phase, wave }) => (phase === "baking" && wave === 2 ? "fail" : "pass"),
    ends: /^rolled-back 2/,
  },
  {
    about: "a gate that stops the version while the third wave gets ready",
    rollout: THREE_WAVES,
    gate: ({ phase, wave }) => (phase === "switching" && wave === 3 ? "fail" : "pass"),
    ends: /^rolled-back 3/,
  },
  {
    about: "frozen windows before the first and between waves",
    rollout: { ...THREE_WAVES, freeze: FREEZE, bakeSeconds: 40 },
    ends: /^promoted 3/,
  },
  { about: "approvals", rollout: { ...CANARY, approval: ["start", "promote"] }, ends: /^promoted 2/ },
];

/** A rollout from beginning to end, of which the leader dies once: after `lives` steps, in the middle of a run. */
function roll(lives: number, { rollout, isBroken, gate }: Story) {
  const world = new RolloutWorld(rollout);
  world.standStill();
  if (isBroken === true) world.broken.set(2, new Set(NAMES));
  world.declare({ version: 2 });
  let left = lives;
  let taken = 0;
  const decisions: string[] = [];
  for (let turn = 0; turn < 300; turn += 1) {
    const says = world.rollout && gate?.(world.rollout);
    world.verdict = says && {
      verdict: says,
      findings: [{ check: "errors", result: says, sentence: `it says ${says}` }],
    };
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
    if (world.rollout?.waitsFor?.what === "approval") world.act("approve");
    world.now += 10_000;
  }
  const placements = world.placements().map(({ node, version, state }) => `${node} ${version} ${state}`);
  const { passed, waitsFor } = world.rollout ?? {};
  return { taken, decisions, events: world.events, passed, waitsFor, placements: placements.toSorted() };
}

describe("a leader that dies in a rollout", () => {
  it.each(STORIES)("between any two steps skips no wave and takes none twice: $about", (story) => {
    const { taken, ...whole } = roll(Infinity, story);
    expect(whole.decisions.at(-1)).toMatch(story.ends);
    expect(taken).toBeGreaterThan(10);
    for (let lives = 0; lives <= taken; lives += 1) {
      const { taken: _, ...cut } = roll(lives, story);
      expect(cut).toEqual(whole);
    }
  });

  it("meets each hold and each verdict of these stories", () => {
    const eventsOf = (about: string) => {
      const story = STORIES.find((each) => each.about === about);
      return story ? roll(Infinity, story).events.filter((event) => /^Rol(loutWaiting|lingBack)/.test(event)) : [];
    };
    expect(eventsOf("frozen windows before the first and between waves")).toEqual([
      "RolloutWaiting: digits:2 waits: frozen every day 00:16–00:17 (UTC)",
      "RolloutWaiting: digits:2 waits: frozen every day 00:18–00:20 (UTC)",
    ]);
    expect(eventsOf("approvals")).toHaveLength(2);
    expect(eventsOf("a gate that stops the version while the third wave gets ready")).toEqual([
      "RollingBack: digits:2 returns to 1: it says fail",
    ]);
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
