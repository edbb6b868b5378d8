import { describe, expect, it } from "@jest/globals";
import { globSync, readFileSync } from "node:fs";
import { PrometheusMetrics } from "../control-plane/adapters/metrics/prometheus.ts";
import { nodeState as NODE_STATES } from "../shared/api/v1/nodes/nodes.ts";
import { rolloutPhase } from "../shared/api/v1/rollouts/rollouts.ts";
import { PLACEMENT_STATES } from "../shared/protocol/placement.ts";
import { NodeMetrics } from "../edge-node/adapters/http/metrics.ts";

const page = readFileSync("docs/metrics.md", "utf8");
const documented = (heading: string): readonly string[] => {
  const section = page.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, name = ""]) => name).toSorted();
};
const shown = (text: string): readonly string[] =>
  [...text.matchAll(/^# TYPE (skerry_\w+) /gm)].map(([, name = ""]) => name).toSorted();

const POOL = { name: "default", wanted: 0, ready: 0, pending: 0 };
const NO_WATCHES = { nodes: 0, deployments: 0, rollouts: 0, placements: 0, events: 0 };

const controlPlaneMetrics = async (): Promise<string> => {
  const nothing = {
    nodes: new Map(NODE_STATES.options.map((state) => [state, 0])),
    placements: new Map(PLACEMENT_STATES.map((state) => [state, 0])),
    rollouts: new Map(rolloutPhase.options.map((phase) => [phase, 0])),
    runningRollouts: [],
    deployments: 0,
    inFlight: 0,
    pools: [POOL],
    watches: NO_WATCHES,
    peers: { open: 0, broken: 0 },
  };
  return (await new PrometheusMetrics(() => nothing).render()).text;
};

/** A histogram is asked for by the names of its parts. */
const PART = /_(?:bucket|sum|count)$/;

describe.each(["docs/kubernetes.md", ...globSync("deploy/kustomize/components/monitoring/*.yaml").toSorted()])(
  "%s",
  (file) => {
    const text = readFileSync(file, "utf8");

    it("asks only for metrics that a control plane has", async () => {
      const metrics = shown(await controlPlaneMetrics());
      const named = [...text.matchAll(/\bskerry_\w+/g)].map(([name]) => name);
      expect(named.filter((name) => !metrics.includes(name) && !metrics.includes(name.replace(PART, "")))).toEqual([]);
    });

    it("asks only for states that they have", async () => {
      const metrics = await controlPlaneMetrics();
      const asked = [...text.matchAll(/\b(skerry_\w+)\{state="(\w+)"\}/g)];
      const has = (name = "", state = ""): boolean => new RegExp(`^${name}\\{.*state="${state}"`, "m").test(metrics);
      expect(asked.flatMap(([text, name, state]) => (has(name, state) ? [] : [text]))).toEqual([]);
    });
  },
);

describe("docs/metrics.md", () => {
  it("names exactly the metrics of a control plane", async () => {
    expect(documented("Control plane")).toEqual(shown(await controlPlaneMetrics()));
  });

  it("names exactly the metrics of a node", async () => {
    const metrics = new NodeMetrics();
    metrics.watch({
      name: "dock-7",
      kind: "edge",
      version: "0.0.0",
      isConnected: () => false,
      isRemoved: () => false,
      keyToApprove: () => undefined,
      isDraining: () => false,
      placements: () => [],
      declaredSignature: async () => undefined,
      status: () => ({ startedAgeMs: 0, link: { ageMs: 0, lastFault: undefined }, log: [], unsentLines: 0 }),
      load: () => ({ rif: 0, placements: [] }),
      keptStreams: () => ({ streams: 0, bytes: 0, evicted: 0 }),
      infer: () => Promise.reject(new Error("not asked")),
    });
    metrics.watchKeptStreams({ keptStreams: () => ({ streams: 0, bytes: 0, evicted: 0 }) });
    metrics.watchStreams({ statuses: () => [], push: () => Promise.reject(new Error("not asked")) });
    expect(documented("Node")).toEqual(shown(await metrics.text()));
  });
});
