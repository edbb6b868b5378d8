import { describe, expect, it } from "@jest/globals";
import { explainRows, verdictCounts } from "../../../console/src/core/deployments/explain-rows.ts";

const nodes = ["a", "b", "c", "d", "e"].map((name) => ({ name, kind: "edge" }));
const ranked = (node: string, total: number) => ({ node, total, scores: {} });

const record = (over: object) => ({
  kind: "edge",
  chosen: [],
  top: [],
  rejections: [],
  sentence: "It answers soonest.",
  ...over,
});

describe("the table of an explanation", () => {
  it("has every node once: replicas, then by points, then the refused, then those nobody asked about", () => {
    const rows = explainRows(nodes, {
      placements: [{ node: "e", explain: record({ top: [ranked("c", 99)] }) }],
      now: [
        {
          kind: "edge",
          chosen: ["b"],
          top: [ranked("a", 60), ranked("b", 80)],
          rejections: [
            { node: "d", code: "fits-memory", verdict: "never" as const, sentence: "d has too little memory" },
          ],
        },
      ],
    });
    expect(rows.map(({ node, verdict, total }) => [node, verdict, total])).toEqual([
      ["e", "has a replica", undefined],
      ["b", "chosen now", 80],
      ["a", "could", 60],
      ["d", "never", undefined],
      ["c", "not asked", undefined],
    ]);
  });

  it("leaves no node unasked when the planner was asked about all, and keeps no old points of a refused one", () => {
    const explain = record({ top: [ranked("a", 90), ranked("b", 70)], variant: { name: "int8", why: "it fits" } });
    const refusal = { code: "fits-memory", verdict: "not now" as const, sentence: "b is full" };
    const rows = explainRows(nodes.slice(0, 3), {
      placements: [{ node: "a", explain }],
      now: [],
      nodes: [
        { node: "c", total: 55, refusal: null },
        { node: "a", total: null, refusal: { ...refusal, sentence: "a holds it" } },
        { node: "b", total: null, refusal },
      ],
    });
    expect(rows.map(({ node, verdict, total, variant }) => [node, verdict, total, variant?.name])).toEqual([
      ["a", "has a replica", 90, "int8"],
      ["c", "could", 55, undefined],
      ["b", "not now", undefined, undefined],
    ]);
    expect(verdictCounts(rows)).toEqual([
      { verdict: "has a replica", count: 1 },
      { verdict: "could", count: 1 },
      { verdict: "not now", count: 1 },
    ]);
  });

  it("is of the decisions that chose the replicas while nothing has to be decided", () => {
    const explain = record({ chosen: ["a"], top: [ranked("a", 90), ranked("b", 70)] });
    const rows = explainRows(nodes.slice(0, 3), { placements: [{ node: "a", explain }], now: [] });
    expect(rows.map(({ node, verdict, total }) => [node, verdict, total])).toEqual([
      ["a", "has a replica", 90],
      ["b", "could", 70],
      ["c", "not asked", undefined],
    ]);
  });
});
