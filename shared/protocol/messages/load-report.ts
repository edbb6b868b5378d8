import { z } from "zod";
import { MAX_STREAMS_REPORTED, streamName, streamState } from "../streams.ts";
import { count, id, message, ms, words } from "./envelope.ts";

const placementLoad = z.object({
  placementId: id,
  /** Requests accepted and not yet answered. */
  rif: count,
  queued: count,
  /** Requests that run at once. */
  slots: count,
  meanUs: count,
  p95Us: count,
  /** Since the node booted, so that a lost report loses nothing. */
  done: count,
  failed: count,
  rssMiB: count,
});
export type PlacementLoad = z.infer<typeof placementLoad>;

/**
 * A stream of the node, since its store was made: produced = delivered + deduplicated + expired + dropped + waiting. A load
 * report has those of the node; it is sent without a request when one of them has changed.
 */
export const streamReport = z.object({
  deployment: words(63),
  name: streamName,
  state: streamState,
  /** Why it waits, the first reason. */
  reason: words(200).optional(),
  produced: count,
  delivered: count,
  deduplicated: count,
  expired: count,
  dropped: count,
  waiting: count,
  waitingBytes: count,
});
export type StreamReport = z.infer<typeof streamReport>;

/** How busy the node, its placements and its streams are. */
export const load = message("load", {
  cpuPct: z.number().min(0),
  memFreeMiB: count,
  diskFreeMiB: count,
  rttMs: ms,
  rif: count,
  placements: z.array(placementLoad).max(128),
  /** Absent: it runs none, and from older agents. */
  streams: z.array(streamReport).max(MAX_STREAMS_REPORTED).optional(),
});
