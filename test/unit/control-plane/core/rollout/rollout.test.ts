import { describe, expect, it } from "@jest/globals";
import { EIGHT_NODES, RolloutWorld } from "../../../../support/fleet/rollout-world.ts";

/** All nodes serve version 1. */
function atVersion1(...args: ConstructorParameters<typeof RolloutWorld>): RolloutWorld {
  const world = new RolloutWorld(...args);
  world.standStill();
  return world;
}

const reasons = ({ events }: RolloutWorld): readonly string[] => events.map((event) => event.split(":")[0] ?? "");
const ALL = EIGHT_NODES.map(({ name }) => name).toSorted();
/** Two versions do not fit on one of them. */
const SMALL = EIGHT_NODES.map((node) => ({ ...node, memMiB: 500 }));

describe("a rollout", () => {
  it("does not begin with the first version of a deployment", () => {
    const world = atVersion1();
    expect(world.readyOn(1)).toEqual(ALL);
    expect(world.rollout).toBeUndefined();
  });

  it("goes over edge and cloud in waves, and keeps the old version everywhere until it is promoted", () => {
    const world = atVersion1({ strategy: "canary", waves: [{ percent: 10 }, { percent: 50 }] });
    world.declare({ version: 2 });
    world.standStill();
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 1, share: 10 });
    expect(world.readyOn(2).map((name) => name.split("-")[0])).toEqual(["cloud", "edge"]);
    expect(world.readyOn(1)).toEqual(ALL);
    expect(world.shares()).toEqual({ 1: 90, 2: 10 });
    world.wait(9);
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 1 });
    world.wait(1);
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 2, share: 50 });
    expect(world.readyOn(2)).toHaveLength(4);
    world.wait(10);
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 3, share: 100 });
    expect(world.readyOn(2)).toEqual(ALL);
    expect(world.readyOn(1)).toEqual(ALL);
    expect(world.shares()).toEqual({ 2: 100 });
    world.wait(10);
    expect(world.rollout).toMatchObject({ phase: "promoted", share: 100 });
    expect(world.readyOn(1)).toEqual([]);
    expect(reasons(world)).toEqual(["RolloutStarted", "WavePromoted", "WavePromoted", "RolloutPromoted"]);
  });

  it("gives a rolling wave the requests of its part of the replicas", () => {
    const world = atVersion1({ strategy: "rolling", waves: [{ replicas: 2 }, { zone: "z0" }] });
    world.declare({ version: 2 });
    world.standStill();
    expect(world.rollout).toMatchObject({ wave: 1, share: 25 });
    world.wait(10);
    const inZone = world.rollout?.nodes.filter(({ wave }) => wave === 2).map(({ node }) => node) ?? [];
    expect([...world.readyOn(2)]).toEqual(expect.arrayContaining(["edge-a", "edge-c", "edge-e"]));
    expect(inZone.every((name) => ["edge-a", "edge-c", "edge-e"].includes(name))).toBe(true);
  });

  it("takes the nodes that a wave selects", () => {
    const where = { matchLabels: { kind: "cloud" }, matchExpressions: [] };
    const world = atVersion1({ waves: [{ where }] });
    world.declare({ version: 2 });
    world.standStill();
    expect(world.readyOn(2)).toEqual(["cloud-a", "cloud-b"]);
  });

  it("moves all requests at once when every replica of a blue-green rollout is ready", () => {
    const world = atVersion1({ strategy: "blue-green" });
    world.declare({ version: 2 });
    world.standStill(() => {
      const shares = world.shares();
      if (world.readyOn(2).length < ALL.length) expect(shares).toEqual({ 1: 100 });
      else expect([{ 1: 100 }, { 2: 100 }]).toContainEqual(shares);
    });
    expect(world.shares()).toEqual({ 2: 100 });
    expect(world.readyOn(1)).toEqual(ALL);
    world.wait(10);
    expect(world.rollout?.phase).toBe("promoted");
    expect(world.readyOn(1)).toEqual([]);
  });

  it("has no two versions loaded on a node with `recreate`", () => {
    const world = atVersion1({ strategy: "recreate" });
    world.declare({ version: 2 });
    world.standStill(() => {
      const loaded = world.placements().filter(({ state }) => state === "ready");
      expect(new Set(loaded.map(({ node }) => node)).size).toBe(loaded.length);
    });
    world.wait(10);
    expect(world.rollout?.phase).toBe("promoted");
    expect(world.readyOn(2)).toEqual(ALL);
  });

  it("replaces one version by the other, node by node, where two do not fit into the memory", () => {
    const world = atVersion1({ strategy: "canary" }, SMALL);
    world.declare({ version: 2 });
    for (let wave = 0; wave < 4; wave += 1) {
      world.wait(10, () => expect(world.readyOn(1).length + world.readyOn(2).length).toBeGreaterThanOrEqual(7));
    }
    expect(world.rollout?.phase).toBe("promoted");
    expect(world.readyOn(2)).toEqual(ALL);
  });

  it("goes on where two versions do not fit while a node is away for which the old one made way", () => {
    const world = atVersion1({ strategy: "blue-green" }, SMALL);
    world.declare({ version: 2 });
    const madeWay = (): string | undefined =>
      world.placements().find(({ node }) => world.placements().every((of) => of.node !== node || of.version === 2))
        ?.node;
    for (let turn = 0; turn < 20 && madeWay() === undefined; turn += 1) {
      for (const step of world.steps()) world.execute(step);
      if (madeWay() === undefined) world.work();
    }
    const gone = madeWay() ?? "";
    world.unplug(gone);
    world.wait(61);
    expect(world.rollout).toMatchObject({ phase: "baking", share: 100 });
    expect(world.readyOn(2)).toEqual(ALL.filter((name) => name !== gone));
  });

  it("goes on where two versions do not fit past a node on which the new one failed", () => {
    const world = atVersion1({ strategy: "blue-green", gate: { maxFailedNodes: 1 } }, SMALL);
    world.broken.set(2, new Set(["edge-c"]));
    world.declare({ version: 2 });
    world.standStill();
    world.wait(10);
    expect(world.rollout?.phase).toBe("promoted");
  });

  it("keeps as many old replicas as are wanted when fewer are wanted meanwhile", () => {
    const world = atVersion1({ strategy: "blue-green" });
    world.declare({ version: 2 });
    world.standStill();
    const { placement } = world.deployment.spec;
    const fewer = { edge: { min: 4, every: false }, cloud: { min: 1, every: false } };
    world.declare({ placement: { ...placement, ...fewer } });
    world.standStill();
    const kinds = (version: number) => Object.groupBy(world.readyOn(version), (name) => name.split("-")[0] ?? "");
    expect(kinds(1)).toMatchObject({ edge: { length: 4 }, cloud: { length: 1 } });
    expect(world.rollout).toMatchObject({ phase: "baking", share: 100 });
  });

  it("goes on without nodes that the deployment has left, and gives one that a plan took another place", () => {
    const world = atVersion1();
    world.declare({ version: 2 });
    world.standStill();
    const [first = ""] = world.readyOn(2);
    world.takeAway(first, 2);
    world.standStill();
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 1 });
    expect(world.readyOn(2)).toContain(first);
    const { placement } = world.deployment.spec;
    const elsewhere = { key: "name", operator: "NotIn" as const, values: [first] };
    world.declare({ placement: { ...placement, where: { matchLabels: {}, matchExpressions: [elsewhere] } } });
    world.standStill();
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 1 });
    expect(world.rollout?.nodes.map(({ node }) => node)).not.toContain(first);
  });

  it("passes a wave that selects no node, also while a node is away", () => {
    const world = atVersion1({ waves: [{ zone: "nowhere" }, { percent: 50 }] });
    world.unplug("edge-a");
    world.wait(61);
    world.declare({ version: 2 });
    world.standStill();
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 2 });
  });

  it("waits for a first wave whose nodes are all away", () => {
    const world = atVersion1({ waves: [{ zone: "z0" }, { percent: 100 }] });
    const inZone = ["edge-a", "edge-c", "edge-e"];
    world.unplug(...inZone);
    world.wait(61);
    world.declare({ version: 2 });
    world.standStill();
    expect(world.rollout).toMatchObject({ phase: "staging", wave: 1 });
    world.plugIn(...inZone);
    world.standStill();
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 1 });
  });

  it("names the first nodes where many fail, and how many more there are", () => {
    const world = atVersion1({ strategy: "blue-green" });
    world.broken.set(2, new Set(ALL));
    world.declare({ version: 2 });
    world.standStill();
    const failure = "digits:2 failed on [a-z-]+: LOAD_FAILED";
    expect(world.rollout?.reason).toMatch(
      new RegExp(`^digits:2 returns to 1: ${failure}; ${failure}; ${failure} and 5 more$`),
    );
  });

  it("stops a version that does not load in its first wave and returns", () => {
    const world = atVersion1();
    world.broken.set(2, new Set(ALL));
    world.declare({ version: 2 });
    world.standStill(() => expect(world.shares()).toEqual({ 1: 100 }));
    expect(world.rollout).toMatchObject({ phase: "rolled-back", wave: 1, share: 0 });
    expect(world.rollout?.reason).toMatch(/^digits:2 returns to 1: digits:2 failed on .*: LOAD_FAILED/);
    expect(world.readyOn(1)).toEqual(ALL);
    expect(world.placements().every(({ version }) => version === 1)).toBe(true);
    world.wait(3_600);
    expect(reasons(world)).toEqual(["RolloutStarted", "RollingBack", "RolledBack"]);
  });

  it("goes on past as many failed nodes as its gate allows", () => {
    const world = atVersion1({ strategy: "blue-green", gate: { maxFailedNodes: 1 } });
    world.broken.set(2, new Set(["edge-c"]));
    world.declare({ version: 2 });
    world.standStill();
    world.wait(10);
    expect(world.rollout?.phase).toBe("promoted");
  });

  it("returns when the new version ends on a node where it was ready", () => {
    const world = atVersion1();
    world.declare({ version: 2 });
    world.standStill();
    const [first = ""] = world.readyOn(2);
    world.crash(first, 2);
    world.standStill();
    expect(world.rollout).toMatchObject({ phase: "rolled-back", wave: 1 });
    expect(world.rollout?.reason).toContain(`digits:2 was ready on ${first} and is loading again`);
  });

  it("returns, with what the gate found, when the gate fails", () => {
    const world = atVersion1();
    world.declare({ version: 2 });
    world.standStill();
    world.verdict = {
      verdict: "fail",
      findings: [{ check: "errors", result: "fail", sentence: "5 % of its requests fail" }],
    };
    world.standStill();
    expect(world.rollout).toMatchObject({
      phase: "rolled-back",
      reason: "digits:2 returns to 1: 5 % of its requests fail",
      findings: [{ check: "errors", result: "fail", sentence: "5 % of its requests fail" }],
    });
  });

  it.each(["staging", "switching"] as const)(
    "returns at once when it gets worse while the next wave gets ready: %s",
    (phase) => {
      const world = atVersion1({ strategy: "canary", waves: [{ percent: 10 }, { percent: 50 }] });
      world.declare({ version: 2 });
      world.standStill();
      world.now += 10_000;
      for (let turn = 0; turn < 50 && !(world.rollout?.phase === phase && world.rollout.wave === 2); turn += 1) {
        for (const step of world.steps()) world.execute(step);
        if (world.rollout?.phase !== phase) world.work(1);
      }
      expect(world.rollout).toMatchObject({ phase, wave: 2, share: 10 });
      const finding = { check: "errors" as const, result: "fail" as const, sentence: "5 % of its requests fail" };
      world.verdict = { verdict: "fail", findings: [finding] };
      for (const step of world.steps()) world.execute(step);
      expect(world.rollout).toMatchObject({
        phase: "rolling-back",
        share: 0,
        reason: "digits:2 returns to 1: 5 % of its requests fail",
        findings: [finding],
      });
      expect(world.facts.at(-1)).toMatchObject({ returns: "errors" });
      expect(world.shares()).toEqual({ 1: 100 });
    },
  );

  it("passes no wave for a good verdict before it bakes, and asks for none before the first one does", () => {
    const world = atVersion1({ strategy: "canary", waves: [{ percent: 10 }, { percent: 50 }] });
    const bad = [{ check: "errors" as const, result: "fail" as const, sentence: "of a rollout before" }];
    world.declare({ version: 2 });
    world.verdict = { verdict: "fail", findings: bad };
    for (let turn = 0; turn < 50 && world.rollout?.phase !== "baking"; turn += 1) {
      for (const step of world.steps()) world.execute(step);
      world.work();
    }
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 1, share: 10 });
    world.verdict = { verdict: "pass", findings: [] };
    world.wait(10);
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 2, share: 50 });
    expect(world.events.filter((event) => event.startsWith("WavePromoted"))).toHaveLength(1);
  });

  it("keeps what the gate found of each wave that has passed", () => {
    const world = atVersion1({ strategy: "canary", waves: [{ percent: 10 }, { zone: "nowhere" }, { percent: 50 }] });
    world.declare({ version: 2 });
    const found = (wave: number) => [{ check: "requests", result: "pass", sentence: `in wave ${wave}` }] as const;
    for (const wave of [1, 3, 4]) {
      world.standStill();
      expect(world.rollout).toMatchObject({ phase: "baking", wave });
      world.verdict = { verdict: "pass", findings: [...found(wave)] };
      world.now += 10_000;
    }
    world.standStill();
    expect(world.rollout?.phase).toBe("promoted");
    expect(world.rollout?.passed.map(({ wave, findings }) => ({ wave, findings }))).toEqual(
      [1, 3, 4].map((wave) => ({ wave, findings: found(wave) })),
    );
  });

  it("shows figures of the gate that are some seconds old at most, and is not written for each of them", () => {
    const world = atVersion1({ bakeSeconds: 3_600 });
    world.declare({ version: 2 });
    world.standStill();
    const shown = (): string | undefined => world.rollout?.findings[0]?.sentence;
    const written: string[] = [];
    world.onRecord = (_, { findings }) => written.push(findings[0]?.sentence ?? "");
    for (let second = 0; second <= 20; second += 1) {
      const sentence = `it had ${second} requests`;
      world.verdict = { verdict: "more", findings: [{ check: "requests", result: "more", sentence }] };
      world.wait(1);
      expect(Number(/\d+/.exec(shown() ?? "")?.[0])).toBeGreaterThan(second - 5);
    }
    expect(written.length).toBeLessThanOrEqual(5);
    expect(world.events.filter((event) => event.startsWith("RolloutWaiting"))).toEqual([]);
  });

  it("bakes on while the gate wants to see more", () => {
    const world = atVersion1();
    world.declare({ version: 2 });
    world.standStill();
    world.verdict = { verdict: "more", findings: [] };
    world.wait(60);
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 1 });
    world.verdict = { verdict: "pass", findings: [] };
    world.standStill();
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 2 });
  });

  it("gives a shadow no request before its answers to copies have passed, then all", () => {
    const world = atVersion1({ strategy: "shadow" });
    world.declare({ version: 2 });
    world.verdict = { verdict: "more", findings: [] };
    world.standStill();
    world.wait(60);
    expect(world.readyOn(2)).toEqual(ALL);
    expect(world.rollout).toMatchObject({
      phase: "baking",
      share: 0,
      reason: "the only wave: digits:2 gets copies of the requests",
    });
    world.verdict = { verdict: "pass", findings: [] };
    world.standStill();
    expect(world.rollout).toMatchObject({ phase: "promoted", share: 100 });
  });

  it("pauses when it has baked and waiting brings no verdict any more, and bakes on when it is resumed", () => {
    const world = atVersion1();
    world.declare({ version: 2 });
    world.standStill();
    const findings = [{ check: "errors" as const, result: "more" as const, sentence: "2 of 60 requests failed" }];
    world.verdict = { verdict: "more", isOverdue: true, findings };
    world.wait(9);
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 1 });
    world.wait(1);
    expect(world.rollout).toMatchObject({
      phase: "paused",
      resumes: "baking",
      reason: "nothing is certain about digits:2 yet: 2 of 60 requests failed",
      findings,
    });
    world.verdict = { verdict: "more", findings };
    world.act("resume");
    world.wait(60);
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 1 });
  });
});

describe("nodes that are away in a rollout", () => {
  const half = ["edge-a", "edge-c", "edge-e", "cloud-a"];

  it("wait while they have not switched, and get the new version when they are back", () => {
    const world = atVersion1({ strategy: "blue-green" });
    world.unplug(...half);
    world.wait(61);
    world.declare({ version: 2 });
    world.standStill();
    const states = Object.fromEntries(world.rollout?.nodes.map(({ node, state }) => [node, state]) ?? []);
    expect(states).toMatchObject({ "edge-a": "waiting", "cloud-a": "waiting", "edge-b": "switched" });
    world.wait(10);
    expect(world.rollout?.phase).toBe("promoted");
    world.plugIn(...half);
    world.standStill();
    expect(world.readyOn(2)).toEqual(ALL);
    expect(world.readyOn(1)).toEqual([]);
  });

  it("pass no wave by a short silence", () => {
    const world = atVersion1({ strategy: "rolling", waves: [{ percent: 25 }, { percent: 50 }] });
    world.declare({ version: 2 });
    world.standStill();
    const others = ALL.filter((name) => !world.readyOn(2).includes(name));
    world.unplug(...others);
    world.wait(30);
    expect(world.rollout).toMatchObject({ phase: "staging", wave: 2 });
    world.plugIn(...others);
    world.standStill();
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 2 });
  });

  it("do not stop the rollout when nodes without the new version fall silent as well", () => {
    const world = atVersion1({ strategy: "rolling", waves: [{ percent: 50 }] });
    world.declare({ version: 2 });
    world.standStill();
    const [one = "", two = ""] = world.readyOn(2);
    const others = ALL.filter((name) => !world.readyOn(2).includes(name)).slice(0, 2);
    world.unplug(one, two, ...others);
    world.wait(90);
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 1 });
    world.plugIn(one, two, ...others);
    world.standStill();
    for (let wave = 0; wave < 2; wave += 1) world.wait(10);
    expect(world.rollout?.phase).toBe("promoted");
    expect(world.readyOn(2)).toEqual(ALL);
  });

  it("are named once in what a wave that is over waits for, until they are back", () => {
    const world = atVersion1({ strategy: "rolling", waves: [{ percent: 50 }] });
    world.declare({ version: 2 });
    world.standStill();
    const [one = "", two = ""] = world.readyOn(2);
    const others = ALL.filter((name) => !world.readyOn(2).includes(name)).slice(0, 2);
    const waits = (): readonly string[] => world.events.filter((event) => event.startsWith("RolloutWaiting"));
    world.unplug(one, ...others);
    world.wait(90);
    expect(waits()).toEqual([`RolloutWaiting: digits:2 waits: ${one} is silent, as nodes without digits:2 are`]);
    world.unplug(two);
    world.wait(90);
    expect(waits()).toHaveLength(1);
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 1, waitsFor: { what: "nodes" } });
    world.plugIn(one, two, ...others);
    world.verdict = { verdict: "more", findings: [] };
    world.standStill();
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 1, waitsFor: null });
  });

  it("are waited for no more when they are back and receive the bytes of their wave", () => {
    const world = atVersion1({ strategy: "rolling", waves: [{ percent: 25 }, { percent: 50 }] });
    world.declare({ version: 2 });
    world.standStill();
    const others = ALL.filter((name) => !world.readyOn(2).includes(name));
    world.unplug(...others);
    world.wait(30);
    expect(world.rollout).toMatchObject({ phase: "staging", wave: 2, waitsFor: { what: "nodes" } });
    world.plugIn(...others);
    for (const step of world.steps()) world.execute(step);
    expect(world.rollout).toMatchObject({ phase: "staging", wave: 2, waitsFor: null });
  });

  it("pause no rollout while they get nothing new because their connections broke again and again", () => {
    const world = atVersion1({ strategy: "blue-green" });
    world.disconnects.set("edge-b", { score: 8, at: world.now });
    world.declare({ version: 2 });
    world.standStill();
    world.wait(200);
    expect(world.rollout).toMatchObject({ phase: "staging" });
    expect(world.placements().filter(({ version }) => version === 2)).toHaveLength(ALL.length - 1);
    world.wait(101);
    expect(world.rollout).toMatchObject({ phase: "baking" });
    expect(world.readyOn(2)).toEqual(ALL);
  });

  it("have failed when they fall silent with the new version alone", () => {
    const world = atVersion1();
    world.declare({ version: 2 });
    world.standStill();
    const [first = ""] = world.readyOn(2);
    world.unplug(first);
    world.wait(30);
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 1 });
    world.wait(31);
    expect(world.rollout?.phase).toBe("rolled-back");
    expect(world.rollout?.reason).toContain(`${first} fell silent with digits:2`);
    world.plugIn(first);
    world.standStill();
    expect(world.readyOn(1)).toEqual(ALL);
    expect(world.readyOn(2)).toEqual([]);
  });
});

describe("operators", () => {
  const during = (phase: string, world: RolloutWorld): void => {
    for (let turn = 0; turn < 50 && world.rollout?.phase !== phase; turn += 1) {
      for (const step of world.steps()) world.execute(step);
      world.work(1);
    }
    expect(world.rollout?.phase).toBe(phase);
  };

  it("undo a rollout while the bytes are on their way: nothing was loaded", () => {
    const world = atVersion1();
    world.declare({ version: 2 });
    during("staging", world);
    expect(world.act("undo")).toBeUndefined();
    world.standStill(() => expect(world.readyOn(2)).toEqual([]));
    expect(world.rollout).toMatchObject({
      phase: "rolled-back",
      reason: "digits:2 returns to 1: ana undid the rollout",
    });
    expect(world.readyOn(1)).toEqual(ALL);
  });

  it("see that a rollout has returned when the new version has left the nodes that are there", () => {
    const world = atVersion1();
    world.declare({ version: 2 });
    during("baking", world);
    const away = world.rollout?.nodes.find(({ state }) => state === "switched")?.node ?? "";
    world.unplug(away);
    expect(world.act("abort")).toBeUndefined();
    for (let turn = 0; turn < 5; turn += 1) for (const step of world.steps()) world.execute(step);
    expect(world.readyOn(2)).toEqual([]);
    expect(world.rollout?.phase).toBe("rolling-back");
    world.standStill();
    expect(world.rollout?.phase).toBe("rolled-back");
  });

  it("declare a newer version while one bakes: it takes its place, from the same old version", () => {
    const world = atVersion1();
    world.declare({ version: 2 });
    during("baking", world);
    world.declare({ version: 3 });
    world.standStill(() => expect(world.readyOn(1)).toEqual(ALL));
    expect(world.history.map(({ from, to, phase }) => [from, to, phase])).toEqual([
      [1, 2, "superseded"],
      [1, 3, "baking"],
    ]);
    expect(world.readyOn(2)).toEqual([]);
  });

  it("declare the old version again: the rollout returns", () => {
    const world = atVersion1();
    world.declare({ version: 2 });
    during("baking", world);
    world.declare({ version: 1 });
    world.standStill();
    expect(world.rollout).toMatchObject({ phase: "rolled-back", declared: 1 });
    world.declare({ version: 2 });
    world.standStill();
    expect(world.history.map(({ phase }) => phase)).toEqual(["rolled-back", "baking"]);
  });

  it("pause and resume: nothing changes meanwhile, and the wave bakes again", () => {
    const world = atVersion1();
    world.declare({ version: 2 });
    during("baking", world);
    expect(world.act("pause")).toBeUndefined();
    world.wait(3_600);
    expect(world.rollout).toMatchObject({ phase: "paused", resumes: "baking", wave: 1 });
    expect(world.act("pause")).toMatch(/is paused: there is nothing to pause/);
    expect(world.act("resume")).toBeUndefined();
    world.wait(9);
    expect(world.rollout).toMatchObject({ phase: "baking", wave: 1 });
    world.wait(1);
    expect(world.rollout).toMatchObject({ wave: 2 });
  });

  it("promote a rollout without its other waves", () => {
    const world = atVersion1();
    world.declare({ version: 2 });
    during("baking", world);
    expect(world.act("promote")).toBeUndefined();
    world.standStill(() => expect(Object.keys(world.shares())).toHaveLength(1));
    expect(world.readyOn(2)).toEqual(ALL);
    expect(world.readyOn(1)).toEqual([]);
  });

  it("undo a promoted rollout: the version before it is loaded, then takes all requests; what is declared comes again only by `resume`", () => {
    const world = atVersion1({ strategy: "blue-green" });
    world.declare({ version: 2 });
    world.standStill();
    world.wait(10);
    expect(world.act("undo", "ana")).toBeUndefined();
    world.standStill();
    world.wait(60);
    expect(world.rollout).toMatchObject({ from: 2, to: 1, phase: "promoted", by: "ana" });
    expect(world.readyOn(1)).toEqual(ALL);
    expect(world.readyOn(2)).toEqual([]);
    expect(world.act("resume", "ana")).toBeUndefined();
    world.standStill();
    expect(world.rollout).toMatchObject({ from: 1, to: 2, phase: "baking", by: "ana" });
  });

  it("try a version again after its rollout has returned", () => {
    const world = atVersion1();
    world.broken.set(2, new Set(ALL));
    world.declare({ version: 2 });
    world.standStill();
    world.broken.clear();
    expect(world.act("resume")).toBeUndefined();
    world.standStill();
    expect(world.rollout).toMatchObject({ from: 1, to: 2, phase: "baking", by: "ana" });
  });

  it("take rollouts away: the ordinary update goes on, and what a rollout said counts no more when they are back", () => {
    const world = atVersion1();
    world.broken.set(2, new Set(ALL));
    const { rollout } = world.deployment.spec;
    world.declare({ version: 2 });
    world.standStill();
    world.broken.clear();
    world.declare({ rollout: undefined });
    world.standStill();
    expect(world.readyOn(2)).toEqual(ALL);
    world.declare({ rollout });
    world.standStill();
    expect(world.readyOn(2)).toEqual(ALL);
    expect(world.history).toHaveLength(1);
  });

  it("pause the deployment: its rollout ends", () => {
    const world = atVersion1();
    world.declare({ version: 2 });
    during("baking", world);
    world.declare({ paused: true });
    world.standStill();
    expect(world.rollout?.phase).toBe("superseded");
    expect(world.placements()).toEqual([]);
    world.declare({ paused: false });
    world.standStill();
    expect(world.readyOn(2)).toEqual(ALL);
  });

  it("pause the deployment while a rollout returns: the version that failed is not tried again after the pause", () => {
    const world = atVersion1();
    world.broken.set(2, new Set(ALL));
    world.declare({ version: 2 });
    during("rolling-back", world);
    world.declare({ paused: true });
    world.standStill();
    expect(world.rollout?.phase).toBe("rolled-back");
    expect(world.placements()).toEqual([]);
    world.broken.clear();
    world.declare({ paused: false });
    world.standStill();
    expect(world.readyOn(1)).toEqual(ALL);
    expect(world.readyOn(2)).toEqual([]);
  });
});
