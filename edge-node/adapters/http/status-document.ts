import { waitingOf } from "../../core/streams/ledger.ts";
import type { LocalNode } from "../../ports/serving.ts";
import type { LocalStreams } from "../../ports/streams.ts";
import { REMOVED, waitsForApproval } from "../../app/session/connection.ts";
import type { NodeStatus } from "../../../shared/api/v1/nodes/node-status.ts";
import { versionWithAliases } from "./resolve-placement.ts";

/**
 * What the node's own page shows, and what a program at the machine may read: who it is, whether the control plane is
 * there and since when, what runs, what waits, and what went wrong last. From memory: it needs no network.
 */
export function statusDocument(
  node: LocalNode,
  { streams, rttMs }: { readonly streams: LocalStreams; readonly rttMs: number | undefined },
): NodeStatus {
  const { startedAgeMs, link, log, unsentLines } = node.status();
  const loads = new Map(node.load().placements.map((load) => [load.placementId, load]));
  const placements = node.placements().map((each) => {
    const load = loads.get(each.placementId);
    return {
      model: each.model,
      version: versionWithAliases(each),
      deployment: each.deployment,
      serves: each.want === "serve",
      state: each.state,
      stateAgeMs: Math.round(each.stateAgeMs),
      detail: each.detail ?? null,
      progress: each.progress ?? null,
      host: each.host ?? null,
      load: load
        ? {
            inFlight: load.rif,
            queued: load.queued,
            done: load.done,
            failed: load.failed,
            p95Ms: load.p95Us / 1_000,
            rssMiB: load.rssMiB,
          }
        : null,
    };
  });
  const isConnected = node.isConnected();
  const key = node.keyToApprove();
  const away = key === undefined ? "away" : "waiting";
  const refusal = key === undefined ? undefined : waitsForApproval(node.name, key);
  return {
    name: node.name,
    kind: node.kind,
    version: node.version,
    startedAgeMs: Math.round(startedAgeMs),
    isDraining: node.isDraining(),
    link: {
      state: node.isRemoved() ? "removed" : isConnected ? "connected" : away,
      ageMs: Math.round(link.ageMs),
      rttMs: isConnected ? (rttMs ?? null) : null,
      lastFault: node.isRemoved() ? REMOVED : (refusal ?? link.lastFault ?? null),
    },
    placements,
    waiting: {
      requests: placements.reduce((sum, { load }) => sum + (load?.queued ?? 0), 0),
      downloads: placements.filter(({ state }) => state === "offered" || state === "downloading").length,
      logLines: unsentLines,
      streamItems: streams.statuses().reduce((sum, { ledger }) => sum + waitingOf(ledger), 0),
    },
    errors: log
      .filter(({ level }) => level !== "info")
      .map((line) => ({ ...line, ageMs: Math.round(line.ageMs) }))
      .toReversed(),
  };
}
