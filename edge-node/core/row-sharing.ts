import type { Manifest } from "../../shared/protocol/model-files/manifest.ts";
import type { RunSharing } from "../../shared/protocol/placement.ts";

/** Whether the requests of a version may share a run, as far as it is known before the host has tried. */
export function mayShare({ rows }: Pick<Manifest, "rows">, isDeclared: boolean | undefined): RunSharing {
  if (rows?.kind === "independent") return { isShared: true, reason: "the graph proves that rows are independent" };
  if (isDeclared === true)
    return { isShared: true, reason: "the deployment declares that rows are independent (limits.rowsAreIndependent)" };
  const why = rows ? rows.reason : "the version was published before graphs were examined: publish it again";
  return { isShared: false, reason: `the graph does not prove that rows are independent: ${why}` };
}

/** Whether they do, once the host has tried. `noBatchReason`: why its host runs each alone. */
export function sharingOf(
  expected: RunSharing,
  noBatchReason: string | undefined,
  { maxBatch }: { readonly maxBatch: number },
): RunSharing {
  if (noBatchReason !== undefined) return { isShared: false, reason: noBatchReason };
  return maxBatch > 1 ? expected : { isShared: false, reason: "the deployment sets limits.maxBatch to 1" };
}
