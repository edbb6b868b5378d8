import { digestOf } from "../../../shared/base/digest.ts";
import { MAX_MANIFEST_BYTES } from "../../../shared/protocol/limits.ts";
import { manifest as manifestSchema, type Manifest } from "../../../shared/protocol/model-files/manifest.ts";
import type { TransferFrame } from "../../../shared/protocol/frames/transfer-frame.ts";

export type ManifestPart =
  | { readonly kind: "partial" }
  | { readonly kind: "complete"; readonly manifest: Manifest }
  /** Out of order or too long: close 4400. */
  | { readonly kind: "broken"; readonly why: string }
  /** Not the artifact that was offered, or not a manifest. */
  | { readonly kind: "wrong"; readonly why: string };

/** Puts the MANIFEST frames of one transfer together and checks the result against the artifact's name. */
export class ManifestAssembly {
  readonly #artifact: string;
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor(artifact: string) {
    this.#artifact = artifact;
  }

  add(frame: TransferFrame): ManifestPart {
    if (frame.offset !== this.#bytes) return { kind: "broken", why: "the manifest's parts are out of order" };
    this.#bytes += frame.payload.byteLength;
    if (this.#bytes > MAX_MANIFEST_BYTES) return { kind: "broken", why: "the manifest is over 1 MiB" };
    this.#parts.push(frame.payload);
    return frame.end ? this.#check() : { kind: "partial" };
  }

  #check(): ManifestPart {
    const bytes = Buffer.concat(this.#parts);
    if (digestOf(bytes) !== this.#artifact) return { kind: "wrong", why: "the manifest is not that of the artifact" };
    try {
      const parsed = manifestSchema.safeParse(JSON.parse(bytes.toString("utf8")));
      if (!parsed.success) return { kind: "wrong", why: "the manifest does not have the form that this agent knows" };
      const { data } = parsed;
      const isSound = data.files.every(
        ({ size, chunks }) => size === chunks.reduce((sum, [length]) => sum + length, 0),
      );
      const names = new Set(data.files.map(({ name }) => name));
      return isSound && names.size === data.files.length
        ? { kind: "complete", manifest: data }
        : { kind: "wrong", why: "the manifest contradicts itself" };
    } catch {
      return { kind: "wrong", why: "the manifest is not JSON" };
    }
  }
}
