import { KEEP_ALIVE_MS } from "../../../../shared/protocol/limits.ts";
import type { Rate } from "../../../../shared/base/token-bucket.ts";

/** What the HTTP door holds back (security.md §7). One place, so that an operator can be told. */
export const LIMITS = {
  /** Until a request's headers are complete, in ms. */
  headersMs: 10_000,
  /** Until a request's body is complete, in ms. Uploads follow the catalogue's rate rule instead. */
  bodyMs: 30_000,
  keepAliveMs: KEEP_ALIVE_MS,
  headerBytes: 16_384,
  /** Every node holds two sockets, three while it receives a model: this is room for ten thousand of them. */
  connections: 40_000,
  jsonBytes: 262_144,
  jsonDepth: 32,
  /** A reader of a streamed answer that takes nothing for so long is cut off, in ms. */
  readerStallMs: 30_000,
  /** Bytes of inference bodies that are held at once. Beyond it: 429. */
  inferenceBytes: 512 * 1_048_576,
  inferencesPerKey: 1_024,
  /** Requests per second of one key under `/api/v1`, and how many it may save up. */
  requestsPerKey: { perSecond: 100, burst: 400 },
  /** Failed joins and failed authentications of one address. */
  failuresPerAddress: { perSecond: 10, burst: 50 },
  /** What a stopping server gives requests under way, in ms. */
  drainMs: 25_000,
  /** How long the rest of a refused body is read and thrown away, so that its sender sees the answer, in ms. */
  lingerMs: 1_000,
} as const;

export type Limits = { readonly [Key in keyof typeof LIMITS]: (typeof LIMITS)[Key] extends number ? number : Rate };
