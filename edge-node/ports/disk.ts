import type { DesiredState } from "../../shared/protocol/desired.ts";
import type { Manifest } from "../../shared/protocol/model-files/manifest.ts";
import type { CallerKey } from "../../shared/protocol/messages/caller-keys.ts";
import type { DesiredPlacement } from "../../shared/protocol/messages/desired-placement.ts";

/** What survives a restart beside the artifacts. */
export interface NodeState {
  readonly epoch: number;
  readonly desiredRev: number;
  readonly desired: DesiredState;
  /** No longer wanted, but serving until the deployment's next placement is ready: a restart in between loses nothing. */
  readonly retained: readonly DesiredPlacement[];
  /** The highest floor of a release that was accepted, by model. Left out: none. */
  readonly floors?: Readonly<Record<string, number>> | undefined;
  /** Artifacts that served before and are kept for a way back, newest first. */
  readonly previous: readonly string[];
}

/** The API keys that the node's own address takes, as the control plane said them last. */
export interface KnownCallers {
  /** The control plane's name for just these. */
  readonly digest: string | undefined;
  readonly keys: readonly KnownCaller[];
  /** When the control plane was last there to say otherwise, ms since 1970. */
  readonly confirmedAt: number;
  /** Time that the node has run since then, in ms: a clock that was set back makes no key younger. */
  readonly ranMs: number;
}

export interface KnownCaller extends Omit<CallerKey, "expiresInMs"> {
  /** Ms since 1970 by this machine's clock; null: it does not expire. */
  readonly expiresAt: number | null;
}

export interface CallersFile {
  /** Null when there is none, or it is damaged. */
  load(): Promise<KnownCallers | null>;
  /** Durable when it resolves; for the node's own user alone. */
  save(callers: KnownCallers): Promise<void>;
}

export interface StateFile {
  /** The last saved memory; null on a new node. A damaged file is set aside and counts as new. */
  load(): Promise<NodeState | null>;
  /** Durable when it resolves (temp, fsync, rename, fsync directory). Throws `DISK_FULL` as a `HostFailure`. */
  save(memory: NodeState): Promise<void>;
}

/** One artifact while its chunks arrive. One at a time for each artifact. */
export interface Staging {
  /** Chunks whose bytes are here with the right SHA-256, re-hashed from the disk when the staging was opened. */
  readonly present: ReadonlySet<number>;
  /** The first missing chunk's bytes that are here already; their hash is not known yet. */
  readonly partial: { readonly chunk: number; readonly offset: number } | undefined;
  /** Writes payload bytes of a chunk at an offset in that chunk. Not durable before `sync`. */
  write(chunk: number, offset: number, payload: Uint8Array): Promise<void>;
  /** SHA-256 of the whole chunk as it is on disk equals the manifest's. */
  verifyChunk(chunk: number): Promise<boolean>;
  /** fsync of everything written so far. */
  sync(): Promise<void>;
  /** Checks each file's SHA-256, renames the folder into place, durably. False: some file does not match (all chunks of it count as missing). */
  commit(): Promise<boolean>;
  close(): Promise<void>;
}

export interface ArtifactDisk {
  /** Complete, verified artifacts on this disk. */
  complete(): Promise<ReadonlySet<string>>;
  /** The manifest of a complete artifact. */
  manifest(artifact: string): Promise<Manifest>;
  /**
   * Reads a complete artifact's files again and compares their SHA-256. False: a byte went bad; the artifact is a
   * staging again, so that only the damaged chunks travel.
   */
  verify(artifact: string): Promise<boolean>;
  /** Folder of a complete artifact, for the model host. */
  directory(artifact: string): string;
  /**
   * Opens or continues the staging of an artifact. Chunks that complete artifacts on this disk already hold are
   * copied from there, so only the missing ones travel. Throws `HostFailure` NO_SPACE when free space would fall under 5 %.
   */
  stage(artifact: string, manifest: Manifest): Promise<Staging>;
  /** Deletes artifacts and stagings that are not in `keep`. */
  collect(keep: ReadonlySet<string>): Promise<void>;
  freeMiB(): Promise<number>;
}
