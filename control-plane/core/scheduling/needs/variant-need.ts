import { versionKey } from "../../../../shared/base/version-key.ts";
import type { Fleet, FleetNode, FleetPlacement, FleetVersion } from "../../fleet/types.ts";
import { hasAskedVariant, pinnedVariant, variantOf, versionAs } from "../../fleet/versions/variants.ts";
import { memo } from "../../memo.ts";
import type { PlacementRequest } from "../candidates/candidate.ts";
import { chooseVariant, type VariantSpeeds } from "./choose-variant.ts";
import { diskNeedMiB } from "./disk.ts";
import { memoryNeedMiB, usableMemoryMiB } from "./memory.ts";

/** Nodes on which a variant is as quick. */
const classOf = ({ kind, capabilities }: FleetNode): string => `${kind} nodes of ${capabilities?.arch ?? "?"}`;

const speedKey = ({ model, version }: Pick<FleetVersion, "model" | "version">, variant: string, of: string): string =>
  `${versionKey(model, version)}|${variant}|${of}`;

/** The median of what the warm runs of replicas took that answer, for each variant and class of nodes. */
export function variantSpeeds({ nodes, placements }: Fleet, of: FleetVersion): VariantSpeeds {
  const found = new Map<string, number[]>();
  for (const placement of placements.values()) {
    const { model, version, state, warmUs, nodeId } = placement;
    const node = nodes.get(nodeId);
    if (model !== of.model || version !== of.version || state !== "ready" || warmUs === undefined || !node) continue;
    const key = speedKey(of, variantOf(placement), classOf(node));
    const known = found.get(key);
    if (known) known.push(warmUs);
    else found.set(key, [warmUs]);
  }
  return new Map([...found].map(([key, all]) => [key, all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0]));
}

/**
 * The request as it is on a node: of a version with variants for the one that the node gets, with what that one needs. The
 * same object for all nodes of a class.
 */
export function needOn(need: PlacementRequest, node: FleetNode): PlacementRequest {
  const { variants = [] } = need.version;
  if (variants.length === 0 || need.variant !== undefined) return need;
  const usableMiB = usableMemoryMiB(node);
  const { capabilities } = node;
  const of = classOf(node);
  const key = `${of}|${usableMiB}|${capabilities?.maxOpset}|${capabilities?.maxIrVersion}`;
  const known = resolved(need);
  const before = known.get(key);
  if (before) return before;
  const choice = chooseVariant(
    variants.map(({ name, bytes, opset, irVersion }) => ({
      name,
      bytes,
      memMiB: memoryNeedMiB(versionAs(need.version, name), need.deployment),
      canRun: opset <= (capabilities?.maxOpset ?? opset) && irVersion <= (capabilities?.maxIrVersion ?? irVersion),
      runUs: need.speeds?.get(speedKey(need.version, name, of)),
    })),
    { pinned: pinnedVariant(need.deployment.spec), usableMiB, class: of },
  );
  const made = { ...needAs(need, choice.name), variant: choice };
  known.set(key, made);
  return made;
}

/** By the class of the node. */
const resolved = memo<PlacementRequest, Map<string, PlacementRequest>>(() => new Map());

/** The request for the variant that a placement has. */
export const needOfPlacement = (need: PlacementRequest, placement: FleetPlacement): PlacementRequest =>
  needAs(need, variantOf(placement));

function needAs(need: PlacementRequest, variant: string): PlacementRequest {
  const version = versionAs(need.version, variant);
  if (version === need.version) return need;
  return { ...need, version, memMiB: memoryNeedMiB(version, need.deployment), diskMiB: diskNeedMiB(version) };
}

/** Whether a placement is of the version, in a variant that the deployment asks for. */
export const isOfNeed = (placement: FleetPlacement, { version, deployment }: PlacementRequest): boolean =>
  placement.version === version.version && hasAskedVariant(placement, deployment.spec);
