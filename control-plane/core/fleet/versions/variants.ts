import type { DeploymentSpec } from "../../../../shared/api/v1/deployments/deployment-spec.ts";
import type { Digest } from "../../../../shared/base/digest.ts";
import { releaseOf } from "../../../../shared/protocol/model-files/release.ts";
import { AUTO_VARIANT, REFERENCE } from "../../../../shared/protocol/model-files/variants.ts";
import { memo } from "../../memo.ts";
import { versionOf } from "../queries.ts";
import type { Fleet, FleetPlacement, FleetVersion } from "../types.ts";

/** The variant of its version that a placement has; of a version with one graph the reference. */
export const variantOf = ({ explain }: Pick<FleetPlacement, "explain">): string => explain.variant?.name ?? REFERENCE;

/** The variant that a deployment pins; undefined: it is chosen for each node. */
export const pinnedVariant = ({ variant = AUTO_VARIANT }: Pick<DeploymentSpec, "variant">): string | undefined =>
  variant === AUTO_VARIANT ? undefined : variant;

/** Whether a placement has the variant that its deployment asks for. Where none is pinned, any will do, so that it stays. */
export function hasAskedVariant(placement: Pick<FleetPlacement, "explain">, spec: Pick<DeploymentSpec, "variant">) {
  const pinned = pinnedVariant(spec);
  return pinned === undefined || variantOf(placement) === pinned;
}

/** Why a version cannot be served in the variant that a deployment pins, as a sentence; undefined: it can. */
export function lacksVariant(version: FleetVersion, spec: Pick<DeploymentSpec, "variant">): string | undefined {
  const pinned = pinnedVariant(spec);
  if (version.state !== "ready" || pinned === undefined || pinned === REFERENCE) return undefined;
  const names = (version.variants ?? []).map(({ name }) => name);
  if (names.includes(pinned)) return undefined;
  const has = names.length === 0 ? "it has no variants" : `it has ${names.join(", ")}`;
  return `${version.model}:${version.version} has no variant ${pinned}: ${has}`;
}

/** The version as a node has it that holds this variant: its artifact, bytes and signature, and what it needs of the runtime. */
export const versionAs = (version: FleetVersion, variant: string): FleetVersion =>
  views(version).get(variant) ?? version;

const views = memo(
  (version: FleetVersion): ReadonlyMap<string, FleetVersion> =>
    new Map(
      (version.variants ?? []).map(({ name, artifact, bytes, opset, irVersion }) => [
        name,
        {
          ...version,
          artifact: artifact as Digest,
          bytes,
          opset,
          irVersion,
          release: version.release && releaseOf(version.release, name),
        },
      ]),
    ),
);

/** The version of a placement, in its variant. */
export function builtOf(
  fleet: Fleet,
  placement: Pick<FleetPlacement, "model" | "version" | "explain">,
): FleetVersion | undefined {
  const version = versionOf(fleet, placement.model, placement.version);
  return version && versionAs(version, variantOf(placement));
}
