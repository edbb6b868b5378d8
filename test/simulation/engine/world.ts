/** Nodes, and how far they are from the router. Times in ms. */
export interface World {
  readonly nodes: readonly NodeSpec[];
  readonly rttMs: (node: number) => number;
}

export interface NodeSpec {
  readonly kind: "edge" | "cloud";
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
  ...Array.from({ length: SITES }, () => SITE_SPECS.map((spec) => ({ ...spec, kind: "edge" as const }))).flat(),
  ...Array.from({ length: PODS }, () => ({ ...POD, kind: "cloud" as const })),
];

/** Six sites with two fast, one slow and one very slow edge node each, and eight pods beside the router. */
export const EC32: World = {
  nodes: EC_NODES,
  rttMs: (node) => (EC_NODES[node]?.kind === "cloud" ? 2 : 45),
};

/** Thirty equal nodes. */
export const HOM30: World = {
  nodes: Array.from({ length: 30 }, () => ({ kind: "edge" as const, slots: 2, meanMs: 25 })),
  rttMs: () => 10,
};

/** Equal nodes of one slot, 10 ms away. */
export const workshop = (nodes: number): World => ({
  nodes: Array.from({ length: nodes }, () => ({ kind: "edge" as const, slots: 1, meanMs: 25 })),
  rttMs: () => 10,
});

/** A hundred equal nodes of one slot, no distance: what queueing theory has formulas for. */
export const TEXTBOOK: World = {
  nodes: Array.from({ length: 100 }, () => ({ kind: "edge" as const, slots: 1, meanMs: 20 })),
  rttMs: () => 0,
};
