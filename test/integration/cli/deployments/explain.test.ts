import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { runCli, type CliResult } from "../../../unit/cli/support/run-cli.ts";
import { FakeApi } from "../support/fake-api.ts";

const PATH = "GET /api/v1/deployments/digits/explain";
const refused = { code: "node-schedulable", verdict: "not now", sentence: "edge-a is cordoned" };
const record = {
  id: "dec_1",
  modelVersion: "digits:1",
  deployment: "digits",
  generation: 1,
  profile: "default-1",
  trigger: "explain",
  kind: "edge",
  evaluated: 2,
  feasible: 0,
  rejected: { "node-schedulable": 1, "where-matches": 1 },
  rejections: [],
  top: [],
  chosen: [],
  margin: null,
  tieBreak: null,
  wouldChange: ["edge-a: uncordon it", "edge-b: label gpu=true"],
  sentence: "digits:1: 0 of 2 edge nodes fit",
};
const answer = { deployment: "digits", placements: [], now: [record], cascade: null, nodes: null, whyNot: null };

let api: FakeApi;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
  api = new FakeApi();
  env = { SKERRY_SERVER: await api.start(), SKERRY_API_KEY: "sk_test" };
});
afterEach(() => api.stop());
const cli = (...args: readonly string[]): Promise<CliResult> => runCli(["explain", "digits", ...args], { env });

describe("skerry explain", () => {
  it("says what would give a replica a place that has none", async () => {
    api.on(PATH, answer);
    expect((await cli()).stdout).toBe(
      [
        "It has no placement.",
        "",
        "If it were decided now (edge)",
        "  digits:1: 0 of 2 edge nodes fit",
        "  2 nodes looked at, 0 fit; because of explain; profile default-1",
        "  what would change it:",
        "    edge-a: uncordon it",
        "    edge-b: label gpu=true",
        "",
      ].join("\n"),
    );
  });

  it("says of each node what would admit it", async () => {
    const verdict = { kind: "edge", holds: false, total: null };
    api.on(PATH, {
      ...answer,
      nodes: [
        { ...verdict, node: "edge-c", total: 80, refusal: null, wouldChange: [] },
        { ...verdict, node: "edge-a", refusal: refused, wouldChange: ["uncordon it", "free 20 MiB of memory"] },
        { ...verdict, node: "edge-b", refusal: { ...refused, sentence: "edge-b was revoked" }, wouldChange: null },
      ],
    });
    const { stdout } = await cli("--all-nodes");
    expect(stdout.split("\n").map((line) => line.split(/ {2,}/).slice(4).join(" | "))).toEqual([
      "WHY | WOULD CHANGE IT",
      "fits | –",
      "edge-a is cordoned | uncordon it; free 20 MiB of memory",
      "edge-b was revoked | –",
      "",
    ]);
  });

  it.each([
    [["uncordon it", "label gpu=true"], "  what would change it: uncordon it; label gpu=true"],
    [null, "  no change would admit it now"],
  ])("says with --why-not what together would admit the node: %j", async (wouldChange, line) => {
    const whyNot = { node: "edge-a", rejections: [], ranked: null, holds: false, wouldChange, sentence: "no" };
    api.on(PATH, { ...answer, whyNot });
    expect((await cli("--why-not", "edge-a")).stdout.split("\n")).toContain(line);
  });
});
