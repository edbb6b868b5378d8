import { describe, expect, it } from "@jest/globals";
import { healthOf } from "../../../console/src/core/fleet/health.ts";

type Nodes = Parameters<typeof healthOf>[0];
type Deployments = Parameters<typeof healthOf>[1];

const node = (name: string, over: Partial<Nodes[number]> = {}): Nodes[number] => ({
  name,
  state: "ready",
  cordoned: false,
  draining: false,
  placements: [],
  ...over,
});

const deployment = (
  name: string,
  conditions: Record<string, string>,
  unplaced: string[] = [],
): Deployments[number] => ({
  name,
  status: {
    unplaced,
    conditions: Object.entries(conditions).map(([type, status]) => ({
      type,
      status,
      reason: "Because",
      message: `${type} is ${status}`,
    })),
  },
});

describe("the health of a fleet", () => {
  it("is one sentence when nothing needs anybody", () => {
    const { tone, sentence, needs } = healthOf([node("a"), node("b")], [deployment("digits", { Ready: "True" })]);
    expect([tone, needs]).toEqual(["good", []]);
    expect(sentence).toBe("All is well: 1 of 1 deployment serves as declared, 2 of 2 nodes connected.");
  });

  it("names the worst first, and counts only what is wrong", () => {
    const { tone, sentence, needs } = healthOf(
      [node("a", { state: "lost" }), node("b", { cordoned: true }), node("c", { state: "suspect" })],
      [deployment("digits", { Ready: "True" })],
    );
    expect(needs.map(({ name, tone: each }) => [name, each])).toEqual([
      ["a", "bad"],
      ["c", "warn"],
      ["b", "idle"],
    ]);
    expect([tone, sentence]).toEqual([
      "bad",
      "2 things need you: 1 of 1 deployment serves as declared, 1 of 3 nodes connected.",
    ]);
  });

  it.each([
    [{ Ready: "False", Progressing: "True" }, "busy"],
    [{ Ready: "False", Progressing: "False" }, "warn"],
    [{ Ready: "False", Stalled: "True" }, "bad"],
  ])("is for a deployment with %j %s", (conditions, tone) => {
    expect(healthOf([], [deployment("digits", conditions)]).tone).toBe(tone);
  });

  it("does not say that all is well while a deployment is on its way", () => {
    const { sentence } = healthOf([node("a")], [deployment("digits", { Ready: "False", Progressing: "True" })]);
    expect(sentence).toBe("Changes are under way: 0 of 1 deployment serve as declared, 1 of 1 node connected.");
  });

  it("says why a replica has no place", () => {
    const { needs } = healthOf(
      [],
      [deployment("digits", { Ready: "True" }, ["one edge replica has no place: no node matches"])],
    );
    expect(needs.map(({ sentence }) => sentence)).toEqual(["one edge replica has no place: no node matches"]);
  });

  it("counts a drain as a need only when its deadline has passed, and says what it waits for", () => {
    const draining = (name: string, overdue: boolean) =>
      node(name, {
        draining: true,
        drain: { overdue, waitsFor: ["digits:1 (ready) stays until another is ready", "layer:2 leaves"] },
        placements: [{ state: "ready" }, { state: "ready" }],
      });
    const { tone, sentence, needs } = healthOf([draining("a", false), draining("b", true)], []);
    expect(needs.map((need) => [need.name, need.tone, need.sentence])).toEqual([
      ["b", "warn", "is past the deadline of its drain: digits:1 (ready) stays until another is ready, and 1 more"],
      ["a", "busy", "is draining: 2 models left"],
    ]);
    expect([tone, sentence.split(":")[0]]).toEqual(["warn", "1 thing needs you"]);
  });
});
