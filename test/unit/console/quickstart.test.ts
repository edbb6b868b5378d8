import { describe, expect, it } from "@jest/globals";
import { quickstartOf, showsQuickstart } from "../../../console/src/core/fleet/quickstart.ts";

const deployment = (ready: "True" | "False") => ({ status: { conditions: [{ type: "Ready", status: ready }] } });
const NOTHING = { nodes: [], models: 0, deployments: [] };
const ticks = (seen: Partial<Parameters<typeof quickstartOf>[0]>): string => {
  const { node, model, deployment: declared, ready } = quickstartOf({ ...NOTHING, ...seen });
  return [node, model, declared, ready].map((is) => (is ? "x" : "-")).join("");
};

describe("the steps of the quickstart", () => {
  it("are ticked one by one, as they happen", () => {
    const nodes = [{ state: "ready" }];
    expect(ticks({})).toBe("----");
    expect(ticks({ nodes: [{ state: "pending" }] })).toBe("----");
    expect(ticks({ nodes })).toBe("x---");
    expect(ticks({ nodes, models: 1 })).toBe("xx--");
    expect(ticks({ nodes, models: 1, deployments: [deployment("False")] })).toBe("xxx-");
    expect(ticks({ nodes, models: 1, deployments: [deployment("False"), deployment("True")] })).toBe("xxxx");
  });

  it("stay beside the first deployment, until they are done with", () => {
    expect(showsQuickstart(0, null)).toBe(true);
    expect(showsQuickstart(1, "shown")).toBe(true);
    expect(showsQuickstart(1, "done")).toBe(false);
  });

  it("are not for a fleet that had deployments before this page was opened", () => {
    expect(showsQuickstart(3, null)).toBe(false);
  });
});
