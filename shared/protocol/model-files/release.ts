import { z } from "zod";
import { digestOf } from "../../base/digest.ts";
import { REFERENCE, variantName } from "./variants.ts";

/** A raw Ed25519 public key, base64url. */
export const signingKey = z.string().regex(/^[A-Za-z0-9_-]{43}$/, "a public key of 43 characters");

const signature = z.string().regex(/^[A-Za-z0-9_-]{86}$/, "an Ed25519 signature of 86 characters");

/**
 * What the signer of a version says of it. `counter` rises with each release of a model; a node that has accepted one takes no
 * release of that model whose counter is below its `floor` any more, however it is signed.
 */
export const release = z.object({
  counter: z.number().int().min(1).max(2_147_483_647),
  floor: z.number().int().min(0).max(2_147_483_647),
  publicKey: signingKey,
  /** Ed25519 over `releaseText`, base64url. */
  signature,
});
export type Release = z.infer<typeof release>;

/** The same of a version that may have variants. Each is an artifact of its own, of which a node gets one. */
export const versionRelease = release.extend({
  variants: z
    .record(variantName, signature)
    .optional()
    .describe("Of a version with variants: the signature of each but the reference, whose signature is `signature`."),
});
export type VersionRelease = z.infer<typeof versionRelease>;

/** What a node gets of it that has this variant; undefined: that one is not signed. */
export function releaseOf(
  { counter, floor, publicKey, signature: ofReference, variants = {} }: VersionRelease,
  variant: string = REFERENCE,
): Release | undefined {
  const own = variant === REFERENCE ? ofReference : Object.hasOwn(variants, variant) ? variants[variant] : undefined;
  return own === undefined ? undefined : { counter, floor, publicKey, signature: own };
}

/** What is signed. The artifact is the SHA-256 of the canonical manifest, and that names every byte of every file. */
export const releaseText = (of: {
  readonly model: string;
  readonly version: string;
  readonly artifact: string;
  readonly counter: number;
  readonly floor: number;
}): string => `skerry-release-v1\n${of.model}\n${of.version}\n${of.artifact}\n${of.counter}\n${of.floor}`;

/** Short name of a key, for people. */
export const keyIdOf = (publicKey: string): string =>
  digestOf(publicKey).slice("sha256:".length, "sha256:".length + 12);
