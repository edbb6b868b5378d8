import { z } from "zod";
import { digestOf } from "../base/digest.ts";

/** A raw Ed25519 public key, base64url. */
export const signingKey = z.string().regex(/^[A-Za-z0-9_-]{43}$/, "a public key of 43 characters");

/**
 * What the signer of a version says of it. `counter` rises with each release of a model; a node that has accepted one takes no
 * release of that model whose counter is below its `floor` any more, however it is signed.
 */
export const release = z.object({
  counter: z.number().int().min(1).max(2_147_483_647),
  floor: z.number().int().min(0).max(2_147_483_647),
  publicKey: signingKey,
  /** Ed25519 over `releaseText`, base64url. */
  signature: z.string().regex(/^[A-Za-z0-9_-]{86}$/, "an Ed25519 signature of 86 characters"),
});
export type Release = z.infer<typeof release>;

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
