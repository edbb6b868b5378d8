import type { DesiredPlacement } from "../../../shared/protocol/messages.ts";
import { keyIdOf, releaseText } from "../../../shared/protocol/release.ts";

/** The keys whose releases a node takes. */
export interface TrustedKeys {
  readonly publicKeys: ReadonlySet<string>;
  /** True when `signature` (base64url) over `text` is by the raw public key (base64url). Never throws. */
  verify(publicKey: string, text: string, signature: string): boolean;
}

type Signed = Pick<DesiredPlacement, "model" | "version" | "artifact" | "release">;

/**
 * Why a node with these keys does not take a version, as a sentence; undefined when it does. `floor`: the highest that it has
 * accepted for the model.
 */
export function whyNotTrusted(
  { model, version, artifact, release }: Signed,
  { keys, floor }: { readonly keys: TrustedKeys; readonly floor: number },
): string | undefined {
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
