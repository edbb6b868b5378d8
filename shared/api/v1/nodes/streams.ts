import { z } from "zod";
import { streamState } from "../../../protocol/streams.ts";

const count = z.number().int().min(0);

/** A stream as its node shows it at `GET /streams` of the node's own address. */
export const nodeStream = z.object({
  deployment: z.string(),
  name: z.string(),
  source: z.string(),
  sink: z.string(),
  state: streamState,
  reasons: z.array(z.string()),
  produced: count,
  delivered: count,
  deduplicated: count,
  expired: count,
  dropped: count,
  waiting: count,
  /** `dropped`, by why. */
  dropReasons: z.record(z.string(), count),
  waitingFor: z.object({ model: count, sink: count }),
  waitingBytes: count,
});
export type NodeStream = z.infer<typeof nodeStream>;

export const nodeStreams = z.object({ streams: z.array(nodeStream) });
