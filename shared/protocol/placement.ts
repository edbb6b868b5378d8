import { z } from "zod";

/**
 * The life of a placement as its node reports it.
 *
 * offered      wanted here, artifact not complete on this disk; waits for a transfer
 * downloading  chunks arrive
 * verifying    all bytes there; digests are being checked
 * staged       verified and renamed into place; not running
 * loading      a model host is starting
 * warming      loaded; the warm run decides whether it may serve
 * ready        serves requests
 * draining     no new requests; the running ones end
 * gone         stopped and forgotten by the node
 * failed       ended before `draining`, with a code and a detail
 */
export const PLACEMENT_STATES = [
  "offered",
  "downloading",
  "verifying",
  "staged",
  "loading",
  "warming",
  "ready",
  "draining",
  "gone",
  "failed",
] as const;
export type PlacementState = (typeof PLACEMENT_STATES)[number];

/** What the control plane wants of a placement: run it, or remove it from its node. */
export const WANTED_STATES = ["serve", "gone"] as const;
export type WantedState = (typeof WANTED_STATES)[number];

/** Why a placement failed, with the sentence that an operator reads. */
export const PLACEMENT_FAILURES = {
  DIGEST_MISMATCH: "the bytes that arrived do not have the digest of the artifact",
  NO_SPACE: "the disk has too little free space for the artifact",
  DISK_FULL: "a write to the disk failed for lack of space",
  INCOMPATIBLE: "the model needs a runtime or an operator set that this node does not have",
  LOAD_FAILED: "the runtime refused to load the model",
  LOAD_TIMEOUT: "the model did not finish loading within its time limit and was killed",
  WARMUP_FAILED: "the warm run ended in an error",
  WARMUP_TIMEOUT: "the warm run did not end within its time limit and was killed: the model hangs or is far too slow",
  OUT_OF_MEMORY: "the model used more memory than its limit and was stopped",
  HOST_CRASHED: "the process that ran the model kept crashing",
  SIGNATURE_INVALID: "the node takes only versions that one of its keys has signed, and no release that was withdrawn",
  ENGINE_AWAY: "the engine beside the node does not answer, or does not offer the model",
  ENGINE_CONFIG: "the node is set up so that it cannot ask its engine, such as with a key file that cannot be read",
} as const;
export type PlacementFailure = keyof typeof PLACEMENT_FAILURES;
const FAILURE_CODES = Object.keys(PLACEMENT_FAILURES) as [PlacementFailure, ...PlacementFailure[]];

/** Whether the requests of a placement share runs of its model, and why or why not. */
export const runSharing = z.object({ isShared: z.boolean(), reason: z.string().max(400) });
export type RunSharing = z.infer<typeof runSharing>;

export const placementFailure = z.enum(FAILURE_CODES);
export const placementState = z.enum(PLACEMENT_STATES);
