import type { DesiredPlacement } from "../../../shared/protocol/messages/desired-placement.ts";
import { keyIdOf, releaseText } from "../../../shared/protocol/model-files/release.ts";

/** The keys whose releases a node takes. */
export interface TrustedKeys {
  readonly publicKeys: ReadonlySet<string>;
  /** True when `signature` (base64url) over `text` is by the raw public key (base64url). Never throws. */
  verify(publicKey: string, text: string, signature: string): boolean;
}

type Signed = Pick<DesiredPlacement, "model" | "version" | "artifact" | "release">;

/** The oldest release that is still taken, by model. */
type Floors = Readonly<Record<string, number>>;

// A model may be named `constructor`.
const floorOf = (floors: Floors, model: string): number => (Object.hasOwn(floors, model) ? (floors[model] ?? 0) : 0);

/**
 * Why a node with these keys does not take a version, as a sentence; undefined when it does. `floors`: the highest that it has
 * accepted.
 */
export function whyNotTrusted(
  { model, version, artifact, release }: Signed,
  { keys, floors }: { readonly keys: TrustedKeys; readonly floors: Floors },
): string | undefined {
  const floor = floorOf(floors, model);
  const name = `${model}:${version}`;
  if (release === undefined) return `${name} is not signed, and this node takes signed versions only`;
  const { publicKey, signature, counter } = release;
  if (!keys.publicKeys.has(publicKey))
    return `${name} is signed by the key ${keyIdOf(publicKey)}, which is none of this node's`;
  if (!keys.verify(publicKey, releaseText({ model, version, artifact, ...release }), signature))
    return `the signature of ${name} does not hold for these bytes, this name and this release`;
  if (counter < floor)
    return `release ${counter} of ${model} was withdrawn: this node has accepted that ${floor} is the oldest`;
  return undefined;
}

/**
 * The floors when these versions serve; the same object when none is raised. A floor counts from when its release serves: one that
 * is still on its way, or does not load, takes the version before it from nobody.
 */
export function raisedFloors(floors: Floors, serving: readonly Signed[], keys: TrustedKeys): Floors {
  let raised = floors;
  for (const spec of serving) {
    const floor = spec.release?.floor ?? 0;
    if (floor > floorOf(raised, spec.model) && whyNotTrusted(spec, { keys, floors: raised }) === undefined)
      raised = { ...raised, [spec.model]: floor };
  }
  return raised;
}
