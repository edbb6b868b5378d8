/** Nodes, routers, and how far they are from one another. Times in ms. */
export interface World {
  readonly nodes: readonly NodeSpec[];
  readonly routers: number;
  /** Share of the requests that each router gets; the sum is 1. */
  readonly demand: readonly number[];
  readonly rttMs: (router: number, node: number) => number;
}

export interface NodeSpec {
  readonly kind: "edge" | "cloud";
  /** Of an edge node; -1 in the cloud. */
  readonly site: number;
  readonly slots: number;
  readonly meanMs: number;
}

/** Requests/s that the nodes can do. */
export const capacityOf = ({ nodes }: World): number =>
  nodes.reduce((sum, { slots, meanMs }) => sum + (slots / meanMs) * 1_000, 0);

const SITES = 6;
const SITE_SPECS = [
  { slots: 2, meanMs: 25 },
  { slots: 2, meanMs: 25 },
  { slots: 1, meanMs: 50 },
  { slots: 1, meanMs: 100 },
];
const POD = { slots: 4, meanMs: 15 };
const PODS = 8;

const EC_NODES: readonly NodeSpec[] = [
  ...Array.from({ length: SITES }, (_, site) =>
    SITE_SPECS.map((spec) => ({ ...spec, kind: "edge" as const, site })),
  ).flat(),
  ...Array.from({ length: PODS }, () => ({ ...POD, kind: "cloud" as const, site: -1 })),
];

/** Zipf(1) over the sites. */
function zipf(count: number): number[] {
  const weights = Array.from({ length: count }, (_, index) => 1 / (index + 1));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** Six sites with two fast, one slow and one very slow edge node each, eight pods, and a router at every site. */
export const EC32: World = {
  nodes: EC_NODES,
  routers: SITES,
  demand: zipf(SITES),
  rttMs(router, node) {
    const { kind, site } = EC_NODES[node] ?? { kind: "cloud", site: -1 };
    return kind === "cloud" ? 50 : site === router ? 4 : 45;
  },
};

/** The same nodes with `routers` routers, all in the cloud. */
export const ec32FromTheCloud = (routers: number): World => ({
  nodes: EC_NODES,
  routers,
  demand: Array.from({ length: routers }, () => 1 / routers),
  rttMs: (_router, node) => (EC_NODES[node]?.kind === "cloud" ? 2 : 45),
});

/** Thirty equal nodes. */
export const hom30 = (routers: number): World => ({
  nodes: Array.from({ length: 30 }, () => ({ kind: "edge" as const, site: 0, slots: 2, meanMs: 25 })),
  routers,
  demand: Array.from({ length: routers }, () => 1 / routers),
  rttMs: () => 10,
});

/** Equal nodes of one slot, 10 ms away, and one router. */
export const workshop = (nodes: number): World => ({
  nodes: Array.from({ length: nodes }, () => ({ kind: "edge" as const, site: 0, slots: 1, meanMs: 25 })),
  routers: 1,
  demand: [1],
  rttMs: () => 10,
});

/** A hundred equal nodes of one slot, no distance, one router: what queueing theory has formulas for. */
export const TEXTBOOK: World = {
  nodes: Array.from({ length: 100 }, () => ({ kind: "edge" as const, site: 0, slots: 1, meanMs: 20 })),
  routers: 1,
  demand: [1],
  rttMs: () => 0,
};
