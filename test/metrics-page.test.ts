import { describe, expect, it } from "@jest/globals";
import { readFileSync } from "node:fs";
import { PrometheusMetrics } from "../control-plane/adapters/metrics/prometheus.ts";
import { NodeMetrics } from "../edge-node/adapters/http/metrics.ts";

const page = readFileSync("docs/metrics.md", "utf8");
const documented = (heading: string): readonly string[] => {
  const section = page.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, name = ""]) => name).toSorted();
};
const shown = (text: string): readonly string[] =>
  [...text.matchAll(/^# TYPE (skerry_\w+) /gm)].map(([, name = ""]) => name).toSorted();

const NO_WATCHES = { nodes: 0, deployments: 0, events: 0 };

describe("docs/metrics.md", () => {
  it("names exactly the metrics of a control plane", async () => {
    const nothing = {
      nodes: new Map(),
      placements: new Map(),
      deployments: 0,
      inFlight: 0,
      pools: [],
      watches: NO_WATCHES,
    };
    const { text } = await new PrometheusMetrics(() => nothing).render();
    expect(documented("Control plane")).toEqual(shown(text));
  });

  it("names exactly the metrics of a node", async () => {
    const metrics = new NodeMetrics();
    metrics.watch({
      name: "dock-7",
      kind: "edge",
      version: "0.0.0",
      isConnected: () => false,
      isRemoved: () => false,
      isDraining: () => false,
      placements: () => [],
      declaredSignature: async () => undefined,
      load: () => ({ rif: 0, placements: [] }),
      infer: () => Promise.reject(new Error("not asked")),
    });
    expect(documented("Node")).toEqual(shown(await metrics.text()));
  });
});
