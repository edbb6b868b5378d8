import { useQuery } from "@tanstack/react-query";
import { api, bodyOf } from "../api/client.ts";
import type { Node } from "../api/types.ts";
import { selectorsOfNames } from "../core/text/chunks.ts";

const EVERY_MS = 5_000;
/** A history of 5 minutes. */
const KEPT = 60;

export interface NodeLoad {
  readonly load: Node["load"];
  /** When it was last heard of, in ms of this page's clock. */
  readonly heardAt: number | undefined;
}

/** Of the CPU, oldest first, since this page first showed the node: the control plane keeps no history. */
const histories = new Map<string, number[]>();

export const cpuHistory = (name: string): readonly number[] => histories.get(name) ?? [];

/**
 * Load and last sign of the nodes that are shown. A watch does not report them, since they differ each second; so they
 * are asked for while the page is seen, and only for what it shows.
 */
export function useLoads(names: readonly string[]): ReadonlyMap<string, NodeLoad> {
  const { data } = useQuery({
    queryKey: ["loads", ...names],
    queryFn: () => readLoads(names),
    enabled: names.length > 0,
    refetchInterval: EVERY_MS,
    placeholderData: (before) => before,
  });
  return data ?? NONE;
}

/** How often the CPU of a large fleet is asked for, in ms: its answer is larger than those for a few. */
const ALL_EVERY_MS = 10_000;

/** CPU of every node, in percent, in one answer: for the map of a fleet that has too many to ask for each. */
export function useAllCpu(isAsked: boolean): ReadonlyMap<string, number> {
  const { data } = useQuery({
    queryKey: ["cpu of all"],
    queryFn: async () => {
      const { loads } = await bodyOf(api.GET("/api/v1/traffic", { params: { query: { loads: "true" } } }));
      return new Map((loads ?? []).map(({ node, cpuPct }) => [node, cpuPct]));
    },
    enabled: isAsked,
    refetchInterval: ALL_EVERY_MS,
  });
  return data ?? NO_CPU;
}

const NO_CPU: ReadonlyMap<string, number> = new Map();
const NONE: ReadonlyMap<string, NodeLoad> = new Map();

async function readLoads(names: readonly string[]): Promise<ReadonlyMap<string, NodeLoad>> {
  const pages = await Promise.all(
    selectorsOfNames(names).map((labelSelector) =>
      bodyOf(api.GET("/api/v1/nodes", { params: { query: { labelSelector, limit: 500 } } })),
    ),
  );
  const now = Date.now();
  const loads = new Map<string, NodeLoad>();
  for (const { name, load, lastSeenAgeMs } of pages.flatMap(({ items }) => items)) {
    loads.set(name, { load, heardAt: lastSeenAgeMs === null ? undefined : now - lastSeenAgeMs });
    if (load) histories.set(name, [...(histories.get(name) ?? []), load.cpuPct].slice(-KEPT));
  }
  return loads;
}
