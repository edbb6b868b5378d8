import { keyIdOf } from "../../../../shared/protocol/model-files/release.ts";
import { isWanted } from "../queries.ts";
import type { Fleet } from "../types.ts";

/**
 * Names of the nodes, sorted, that hold the version and take signed ones alone, but none by this key: they stop it when it is
 * signed anew. A node whose placement has failed runs nothing that could stop.
 */
export function nodesThatWouldStop(
  fleet: Fleet,
  { model, version, publicKey }: { readonly model: string; readonly version: number; readonly publicKey: string },
): readonly string[] {
  const key = keyIdOf(publicKey);
  const names = fleet.placements.values().flatMap((placement) => {
    const isHeld = isWanted(placement) && placement.state !== "failed" && placement.state !== "gone";
    if (placement.model !== model || placement.version !== version || !isHeld) return [];
    const node = fleet.nodes.get(placement.nodeId);
    const keys = node?.capabilities?.signingKeys;
    return node === undefined || keys === undefined || keys.includes(key) ? [] : [node.name];
  });
  return [...new Set(names)].toSorted();
}
