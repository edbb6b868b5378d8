import type { ArtifactDisk } from "../../ports/disk.ts";

const MIB = 1_048_576;

interface Parts {
  readonly disk: Pick<ArtifactDisk, "freeMiB" | "manifest">;
  /** Artifacts that are deleted when a transfer needs their room. */
  readonly keptForRollback: () => readonly string[];
}

/**
 * The room that a transfer finds on the disk: what is free, and what is kept only for rollback. Without the second part the
 * control plane would take a node for full that only has to delete what nobody needs.
 */
export class TransferRoom implements Pick<ArtifactDisk, "freeMiB"> {
  readonly #parts: Parts;
  /** By artifact, whose files never change. */
  readonly #bytes = new Map<string, number>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async freeMiB(): Promise<number> {
    const { disk, keptForRollback } = this.#parts;
    const artifacts = keptForRollback();
    for (const artifact of this.#bytes.keys()) if (!artifacts.includes(artifact)) this.#bytes.delete(artifact);
    let bytes = 0;
    for (const artifact of artifacts) bytes += await this.#bytesOf(artifact);
    return (await disk.freeMiB()) + bytes / MIB;
  }

  /** 0 for what cannot be read: it may be deleted already. */
  async #bytesOf(artifact: string): Promise<number> {
    const known = this.#bytes.get(artifact);
    if (known !== undefined) return known;
    const manifest = await this.#parts.disk.manifest(artifact).catch(() => undefined);
    if (!manifest) return 0;
    const bytes = manifest.files.reduce((sum, { size }) => sum + size, 0);
    this.#bytes.set(artifact, bytes);
    return bytes;
  }
}
