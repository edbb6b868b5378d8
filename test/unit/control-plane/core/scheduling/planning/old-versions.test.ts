import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { Step } from "../../../../../../control-plane/core/reconcile/steps.ts";
import { describePlan } from "../../../../../../control-plane/core/reconcile/steps.ts";
import {
  ROOMY_DISK_MIB,
  ROOMY_MIB,
  TIGHT_DISK_MIB,
  TIGHT_MIB,
  UpdateWorld,
  type Presence,
} from "../../../../../support/fleet/update-world.ts";

const ended = (world: UpdateWorld): UpdateWorld => {
  world.standStill();
  return world;
};
const roomy = (count: number): number[] => Array.from({ length: count }, () => ROOMY_MIB);
const versionsOn = (world: UpdateWorld): readonly string[] =>
  world
    .wantedPlacements()
    .map(({ nodeId, version }) => `${nodeId}: ${version}`)
    .toSorted();

describe("an update with a node that is away", () => {
  it.each(["suspect", "lost"] as const)("ends on the other nodes while one is %s, time and again", (presence) => {
    const world = ended(new UpdateWorld(roomy(3), { every: true }));
    world.presence[2] = presence;
    for (const version of [2, 3, 4, 5, 6]) {
      world.deploy(version);
      world.standStill();
      expect(versionsOn(world)).toEqual([`n-edge-0: ${version}`, `n-edge-1: ${version}`, "n-edge-2: 1"]);
    }
    world.presence[2] = "there";
    expect(versionsOn(ended(world))).toEqual(["n-edge-0: 6", "n-edge-1: 6", "n-edge-2: 6"]);
  });

  it("leaves the old version on a node until the new one is ready there", () => {
    const world = ended(new UpdateWorld(roomy(2), { every: true }));
    world.deploy(2);
    world.standStill(() => expect(world.served().size).toBe(2));
    expect(versionsOn(world)).toEqual(["n-edge-0: 2", "n-edge-1: 2"]);
  });

  it("is over when the lost node is removed", () => {
    const world = ended(new UpdateWorld(roomy(2), { every: true }));
    world.presence[1] = "lost";
    world.deploy(2);
    expect(versionsOn(ended(world))).toEqual(["n-edge-0: 2", "n-edge-1: 1"]);
    world.presence[1] = "revoked";
    expect(versionsOn(ended(world))).toEqual(["n-edge-0: 2"]);
  });
});

describe("an update without room for two copies", () => {
  const remove = (steps: readonly Step[]): readonly string[] =>
    describePlan(steps.filter(({ kind }) => kind === "placement.remove"));

  it("brings the bytes first, then lets the old version go, then loads the new one", () => {
    const world = ended(new UpdateWorld([TIGHT_MIB], { min: 1 }));
    world.deploy(2);
    const [create] = world.plan();
    expect(create).toMatchObject({
      kind: "placement.create",
      record: { sentence: expect.stringContaining("so digits:1 leaves edge-0 first") as unknown },
    });
    expect(world.plan()).toEqual([]);
    expect(world.moves()).toMatchObject([{ state: "staged" }]);
    for (const move of world.moves()) world.move(move);
    expect(world.moves()).toEqual([]);
    expect(remove(world.plan())).toEqual([
      "remove digits:1 from edge-0: digits:2 does not fit beside it and loads when it has left",
    ]);
    expect(versionsOn(ended(world))).toEqual(["n-edge-0: 2"]);
  });

  it("interrupts one node at a time", () => {
    const world = ended(new UpdateWorld([TIGHT_MIB, TIGHT_MIB, TIGHT_MIB], { every: true }));
    world.deploy(2);
    world.standStill(() => expect(world.served().size).toBeGreaterThanOrEqual(2));
    expect(world.served(2).size).toBe(3);
  });

  it("lets the old version go before the bytes of the new one come, where the disk holds one of them", () => {
    const world = ended(new UpdateWorld([ROOMY_MIB], { min: 1 }, [TIGHT_DISK_MIB]));
    world.deploy(2);
    const [create] = world.plan();
    expect(create).toMatchObject({
      kind: "placement.create",
      record: { sentence: expect.stringContaining("so digits:1 leaves edge-0 first") as unknown },
    });
    expect(world.moves()).toEqual([]);
    expect(remove(world.plan())).toEqual([
      "remove digits:1 from edge-0: digits:2 does not fit on the disk beside it, and its bytes come when it has left",
    ]);
    expect(versionsOn(ended(world))).toEqual(["n-edge-0: 2"]);
  });

  it("interrupts one node at a time for want of disk, until its new version serves", () => {
    const tight = [TIGHT_DISK_MIB, TIGHT_DISK_MIB, TIGHT_DISK_MIB];
    const world = ended(new UpdateWorld(roomy(3), { every: true }, tight));
    world.deploy(2);
    world.standStill(() => {
      expect(world.served().size).toBeGreaterThanOrEqual(2);
      for (const index of tight.keys()) expect(world.stored(`n-edge-${index}`)).toBeLessThanOrEqual(1);
    });
    expect(world.served(2).size).toBe(3);
  });

  it("takes a node that has room before it interrupts one", () => {
    const world = ended(new UpdateWorld([TIGHT_MIB, TIGHT_MIB], { min: 1 }));
    world.deploy(2);
    world.standStill(() => expect(world.served().size).toBeGreaterThanOrEqual(1));
    expect(world.served(2).size).toBe(1);
  });
});

const anyWanted = fc.oneof(
  fc.constant({ every: true } as const),
  fc.integer({ min: 1, max: 5 }).map((min) => ({ min })),
);
type UpdateEvent = typeof anyEvent extends fc.Arbitrary<infer Event> ? Event : never;

const anyNodes = fc.array(fc.constantFrom(TIGHT_MIB, ROOMY_MIB), { minLength: 1, maxLength: 5 });
const anyDisk = fc.array(fc.constantFrom(TIGHT_DISK_MIB, ROOMY_DISK_MIB), { minLength: 5, maxLength: 5 });
const anyPresence = fc.constantFrom<Presence>("there", "there", "suspect", "lost");
const anyEvent = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("move" as const), which: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("plan" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("deploy" as const), version: fc.integer({ min: 1, max: 5 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("presence" as const), node: fc.nat(4), presence: anyPresence }),
  },
);

/** Plans once and holds what every plan must keep. */
function planSafely(world: UpdateWorld, wanted: number): void {
  const before = world.served();
  const steps = world.plan();
  const broken = steps.filter((step) => step.kind === "placement.remove" && step.isBreak === true).length;
  expect(broken).toBeLessThanOrEqual(1);
  expect(world.served().size).toBeGreaterThanOrEqual(Math.min(wanted, before.size) - broken);
  const old = world.wantedPlacements().filter(({ version }) => version !== world.target);
  expect(new Set(old.map(({ nodeId }) => nodeId)).size).toBe(old.length);
}

function holdsLaws(
  memory: (typeof TIGHT_MIB | typeof ROOMY_MIB)[],
  range: { readonly every: true } | { min: number },
  disk: (typeof TIGHT_DISK_MIB | typeof ROOMY_DISK_MIB)[],
  events: UpdateEvent[],
): void {
  const world = new UpdateWorld(memory, range, disk);
  const wanted = "every" in range ? memory.length : range.min;
  for (const event of events) {
    if (event.kind === "plan") planSafely(world, wanted);
    else if (event.kind === "deploy") world.deploy(event.version);
    else if (event.kind === "presence" && event.node < memory.length) world.presence[event.node] = event.presence;
    else if (event.kind === "move") {
      const moves = world.moves();
      const move = moves[event.which % Math.max(1, moves.length)];
      if (move) world.move(move);
    }
    memory.forEach((memMiB, index) =>
      expect(world.loaded(`n-edge-${index}`)).toBeLessThanOrEqual(memMiB === TIGHT_MIB ? 1 : 5),
    );
    memory.forEach((_, index) =>
      expect(world.stored(`n-edge-${index}`)).toBeLessThanOrEqual(disk[index] === TIGHT_DISK_MIB ? 1 : 5),
    );
  }
  // A silent node is back or lost a minute later.
  world.presence.forEach((presence, index) => {
    if (presence === "suspect") world.presence[index] = "lost";
  });
  world.standStill();
  const there = world.presence.filter((presence) => presence === "there").length;
  if (memory.length >= 5 && there < 0.45 * memory.length) return; // nothing moves while most of a fleet is away
  expect(world.served(world.target).size).toBeGreaterThanOrEqual(Math.min(wanted, there));
  for (const { nodeId, version } of world.wantedPlacements())
    if (world.presenceOf(nodeId) === "there") expect(version).toBe(world.target);
}

/** The deployment goes back to the older version while that loads: the newer one must not load beside it. */
const WENT_BACK: Parameters<typeof holdsLaws> = [
  [TIGHT_MIB],
  { every: true },
  [ROOMY_DISK_MIB],
  [
    { kind: "plan" },
    { kind: "deploy", version: 2 },
    { kind: "move", which: 0 },
    { kind: "move", which: 0 },
    { kind: "plan" },
    { kind: "deploy", version: 1 },
    { kind: "move", which: 0 },
    { kind: "move", which: 0 },
  ],
];

describe("the laws of an update", () => {
  it("never fewer served nodes, one old version for each node, and an end when the fleet does not change", () => {
    fc.assert(fc.property(anyNodes, anyWanted, anyDisk, fc.array(anyEvent, { maxLength: 40 }), holdsLaws), {
      numRuns: 300,
      examples: [WENT_BACK],
    });
  });
});
