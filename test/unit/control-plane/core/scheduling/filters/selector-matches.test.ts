import { describe, expect, it } from "@jest/globals";
import { selectorMatches } from "../../../../../../control-plane/core/scheduling/filters/selector-matches.ts";
import { aCandidate, aRequest, refusalOn } from "../../../../../support/fleet/scheduling-fixture.ts";

type Where = NonNullable<NonNullable<NonNullable<Parameters<typeof aRequest>[0]>["spec"]>["placement"]>["where"];

/** The node is `edge-a` in zone `edge-a` of the site `harbour`, with the label `gpu=t4`. */
const refusal = (where: Where) =>
  refusalOn(
    selectorMatches,
    aCandidate({ of: { labels: { gpu: "t4" } } }),
    aRequest({ spec: { placement: { where } } }),
  );
const expression = (key: string, operator: "In" | "NotIn" | "Exists" | "DoesNotExist", ...values: string[]): Where => ({
  matchExpressions: [{ key, operator, values }],
});

describe("where-matches", () => {
  it.each([
    ["nothing", {}],
    ["its label", { matchLabels: { gpu: "t4" } }],
    [
      "its kind, site, zone and name",
      { matchLabels: { kind: "edge", site: "harbour", zone: "edge-a", name: "edge-a" } },
    ],
    ["one of several values", expression("gpu", "In", "a10", "t4")],
    ["none of other values", expression("gpu", "NotIn", "a10")],
    ["not that value of a label that it lacks", expression("disk", "NotIn", "slow")],
    ["that its label is there", expression("gpu", "Exists")],
    ["that another label is not there", expression("disk", "DoesNotExist")],
  ])("accepts a node when the selector asks for %s", (_, where) => {
    expect(refusal(where)).toBeUndefined();
  });

  it.each([
    ["another value of a label", { matchLabels: { gpu: "a10" } }, "gpu=a10"],
    ["a label that it lacks", { matchLabels: { disk: "fast" } }, "disk=fast"],
    ["another site", { matchLabels: { site: "airport" } }, "site=airport"],
    ["values that it has none of", expression("gpu", "In", "a10", "h200"), "gpu in (a10, h200)"],
    ["values without its own", expression("gpu", "NotIn", "t4"), "gpu not in (t4)"],
    ["the presence of a label that it lacks", expression("disk", "Exists"), "label disk"],
    ["the absence of its label", expression("gpu", "DoesNotExist"), "no label gpu"],
  ])("refuses for good a node when the selector asks for %s", (_, where, needed) => {
    expect(refusal(where)).toEqual({ verdict: "never", sentence: `needs ${needed}; edge-a does not match` });
  });

  it("matches the node's own kind, not a label of the same name", () => {
    const candidate = aCandidate({ of: { labels: { kind: "cloud" } } });
    const where = { matchLabels: { kind: "cloud" } };
    expect(refusalOn(selectorMatches, candidate, aRequest({ spec: { placement: { where } } }))).toMatchObject({
      verdict: "never",
    });
  });
});
