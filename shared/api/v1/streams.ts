import { z } from "zod";

const count = z.number().int();

/** A stream as its node shows it at `GET /streams` of the node's own address. */
export const nodeStream = z.object({
  deployment: z.string(),
  name: z.string(),
  source: z.string(),
  sink: z.string(),
  /** `waiting`: something is missing, which `reasons` name. `ending`: it is declared no more and delivers what it has. */
  state: z.enum(["running", "waiting", "ending"]),
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
