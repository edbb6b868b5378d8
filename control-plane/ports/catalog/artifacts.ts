import type { Runtime } from "../../../shared/protocol/model-files/bundle.ts";
import type { CheckedModel } from "./catalog.ts";

/** One stored file, open for reading. */
export interface ArtifactFile {
  /** Fills `into` from `offset`. Throws when the file is shorter. */
  read(offset: number, into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** `rotten`: its bytes do not have the digest that it is named by. */
export type FileState = "whole" | "missing" | "cut" | "rotten";

/**
 * Bytes by digest, on disk or in a bucket. An upload here is one file: a bundle's upload has one for each of its files.
 * Several control planes may use one store: each sees what another made durable. Every method throws `STORAGE_UNAVAILABLE`
 * when the store is elsewhere and does not answer.
 */
export interface ArtifactStore {
  /** Bytes of an upload that are durable. 0 when it has none. */
  uploadOffset(uploadId: string): Promise<number>;
  /**
   * Appends at `offset` and returns the new durable offset; what arrived before a broken stream stays. Throws
   * `UPLOAD_OFFSET` when `offset` is not the current one, `TOO_LARGE` when more than `maxBytes` would stand there,
   * `STORAGE_FULL` when there is too little room, `CONFLICT` while another connection writes to the same upload, at any
   * control plane.
   */
  append(upload: { id: string; offset: number; maxBytes: number }, bytes: AsyncIterable<Uint8Array>): Promise<number>;
  /**
   * Brings the upload's bytes to `uploadPath`, where they stay until it is discarded or the process ends. No effect when
   * they are there. Throws `NOT_FOUND` when it has none, `STORAGE_FULL` when this machine has too little room.
   */
  fetchUpload(uploadId: string, signal?: AbortSignal): Promise<void>;
  /** A path on this machine for the check process: where it reads an upload that was fetched, or writes one. */
  uploadPath(uploadId: string): string;
  /**
   * Gives the bytes of a checked upload their digest as name, durably: those at `uploadPath`. The upload stays until it is
   * discarded. Idempotent. Throws the signal's reason when it is aborted on the way.
   */
  adopt(uploadId: string, sha256: string, signal?: AbortSignal): Promise<void>;
  /** No effect when there is none. */
  discardUpload(uploadId: string): Promise<void>;
  /** Every upload that has bytes here, whether or not anybody still knows it. */
  uploadIds(): Promise<readonly string[]>;
  /** Whether a file is there with `bytes` bytes; says nothing of what they are. */
  look(file: { readonly sha256: string; readonly bytes: number }): Promise<FileState>;
  /** The same after reading all of it; `pace` is awaited after each block with its length. */
  verify(
    file: { readonly sha256: string; readonly bytes: number },
    pace: (bytes: number) => Promise<void>,
  ): Promise<FileState>;
  /** Deletes a file that no version refers to. No effect when there is none; who has it open may find its end. */
  remove(sha256: string): Promise<void>;
  /** Throws `NOT_FOUND`, as does `stream` with its first piece. */
  open(sha256: string): Promise<ArtifactFile>;
  stream(sha256: string): AsyncIterable<Uint8Array>;
}

/** The files of a version, as they lie in the store. */
export interface UploadedBundle {
  readonly model: string;
  readonly version: number;
  /** `onnx` when left out. */
  readonly runtime?: Runtime;
  /** Path in the bundle of the file that the runtime loads. */
  readonly main: string;
  readonly files: readonly {
    /** Its path in the bundle. */
    readonly name: string;
    /** Where its bytes are. */
    readonly path: string;
    /** What the uploader declared. */
    readonly bytes: number;
    readonly sha256: string;
  }[];
  /** Where the check may write the graph when it has to be changed to be served. */
  readonly editedPath: string;
}

/** Looks at uploaded files in a process of its own: digests, chunks, signature. */
export interface ModelCheck {
  /**
   * `rejected` carries a sentence for the uploader. Throws only when the check itself could not run, or with the
   * signal's reason when it was aborted; no process is left then.
   */
  check(
    bundle: UploadedBundle,
    signal?: AbortSignal,
  ): Promise<
    | { kind: "accepted"; checked: CheckedModel }
    | { kind: "rejected"; code: "DIGEST_MISMATCH" | "INVALID_MODEL"; reason: string }
  >;
}
