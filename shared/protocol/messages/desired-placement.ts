import { z } from "zod";
import { digest } from "../model-files/manifest.ts";
import { release } from "../model-files/release.ts";
import { desiredStream, MAX_STREAMS_PER_DEPLOYMENT } from "../streams.ts";
import { count, id } from "./envelope.ts";

/** A placement that a node should have. Loose, limits too: the digest covers fields that a newer control plane may add, so they must not be stripped. */
export const desiredPlacement = z.looseObject({
  placementId: id,
  generation: count,
  deployment: z.string(),
  model: z.string(),
  version: z.string(),
  /** Names that callers may use for the version, sorted; absent: none. A later control plane may send more of them. */
  aliases: z.array(z.string()).optional(),
  artifact: digest,
  /** Which graph of the version the artifact is; absent: the version has one. For people: the artifact says all that a node needs. */
  variant: z.string().max(32).optional(),
  /** What the signer of the version says of it; absent: it is not signed. */
  release: release.optional(),
  want: z.enum(["serve", "hold"]),
  residency: z.enum(["any", "edge-only", "cloud-only"]),
  /**
   * Requests at the node's own address that name no version go to another placement of the deployment while that is ready.
   * Of one of the two versions of a rollout; absent, as from older control planes: the oldest placement answers.
   */
  standby: z.literal(true).optional(),
  /** Streams that the node reads for it; absent: none. */
  streams: z.array(desiredStream).max(MAX_STREAMS_PER_DEPLOYMENT).optional(),
  limits: z.looseObject({
    memMiB: count,
    /** `memMiB` is a guess from the size of its files: the node measures, and may use more than that where it has room. */
    memIsEstimate: z.boolean().optional(),
    /** Rows that may share a run. */
    maxBatch: count,
    queue: count,
    timeoutMs: count,
    /** How long an idle model waits for company; absent, as from older control planes: not at all. */
    maxDelayUs: count.optional(),
    /** The operator declares what the graph may not prove; absent: only the proof counts. */
    rowsAreIndependent: z.boolean().optional(),
    /** `shared`: it may run in one process with other small models; absent, as from older control planes: alone. */
    isolation: z.enum(["shared", "dedicated"]).optional(),
  }),
});
export type DesiredPlacement = z.infer<typeof desiredPlacement>;
