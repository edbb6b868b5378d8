import type { NodeId } from "../../../../shared/base/ids.ts";
import type { PlacementReport } from "../../../../shared/protocol/messages/placement-report.ts";
import type { WantedState } from "../../../../shared/protocol/placement.ts";
import { judgeReport } from "../../../core/fleet/report-verdicts.ts";
import type { NewEvent } from "../../../ports/events.ts";
import type { Transaction } from "../database.ts";

interface RecordedRow {
  readonly id: string;
  readonly name: string;
  readonly nodeId: string;
  readonly generation: number;
  readonly wanted: WantedState;
}

/**
 * An event for every report that contradicts its record. A record that takes over the node's generation changes the node's
 * document, so `desired_rev` rises.
 */
export async function reportConflicts(
  tx: Transaction,
  nodeId: NodeId,
  reports: readonly PlacementReport[],
): Promise<readonly NewEvent[]> {
  if (reports.length === 0) return [];
  const rows = await tx.$queryRaw<RecordedRow[]>`
    SELECT id, model_name || ':' || version AS name, node_id AS "nodeId", generation, wanted
    FROM placements WHERE id = ANY(${reports.map(({ placementId }) => placementId)}::text[])`;
  const recordOf = new Map(rows.map((row) => [row.id, row]));
  const verdicts = reports.map((report) => {
    const row = recordOf.get(report.placementId);
    return { report, recorded: row && { ...row, isOnThisNode: row.nodeId === nodeId } };
  });
  const judged = verdicts.map(({ report, recorded }) => judgeReport({ ...report, recorded }, NODE));
  if (judged.every(({ message }) => message === undefined)) return [];
  const isAhead = judged.some(({ kind }) => kind === "ahead");
  const [node] = await tx.$queryRaw<{ name: string }[]>`
    UPDATE nodes SET desired_rev = desired_rev + ${isAhead ? 1 : 0} WHERE id = ${nodeId} RETURNING name`;
  return judged.flatMap(({ message }) =>
    message === undefined
      ? []
      : [
          {
            type: "Warning" as const,
            reason: "PlacementConflict",
            object: `node/${node?.name ?? nodeId}`,
            message: message.replaceAll(NODE, node?.name ?? nodeId),
          },
        ],
  );
}

/** Stands for the node's name, which is read only when there is something to say. */
const NODE = "{node}";
