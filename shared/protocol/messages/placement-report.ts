import type { z } from "zod";
import { placementFailure, placementState, runSharing } from "../placement.ts";
import { count, id, message, words } from "./envelope.ts";

/** What a node says of one of its placements: all of them in `hello`, each change in `placement.status`. */
export const placementReport = {
  placementId: id,
  generation: count,
  state: placementState,
  code: placementFailure.optional(),
  detail: words(1_000).optional(),
  /** Bytes there and bytes in all, while downloading. */
  done: count.optional(),
  total: count.optional(),
  /** Memory of the model host once loaded, in MiB. */
  rssMiB: count.optional(),
  /** Mean time of the warm runs, in µs: the first guess of the service time. */
  warmUs: count.optional(),
  /** Whether requests share runs of it, and why or why not. These three: of a ready one, absent from older agents. */
  sharing: runSharing.extend({ reason: words(400) }).optional(),
  /** Memory that its model host may use now, in MiB; 0: any amount. */
  limitMiB: count.optional(),
  /** Memory that the trials of its start showed it to need, in MiB; absent where none were made. */
  measuredMiB: count.optional(),
  /** The name of its model host, when that holds other models too or may; `measuredMiB` is what it is counted for there. */
  host: words(32).optional(),
  /** Of a draining one: the streams of which it keeps something, which other placements may go on with (`kept-streams.ts`). */
  keptStreams: count.optional(),
};

export const placementStatus = message("placement.status", placementReport);
export type PlacementReport = Omit<z.infer<typeof placementStatus>, "type" | "id" | "re" | "epoch" | "traceparent">;
