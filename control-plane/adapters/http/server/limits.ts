import { JSON_BOUNDS } from "../../../../shared/inference/http/json-body.ts";
import { BODY_MS, LINGER_MS, SERVER_BOUNDS } from "../../../../shared/inference/http/server-options.ts";
import type { Rate } from "../../../../shared/flow/token-bucket.ts";
import { DEFAULT_BODY_BYTES, DRAIN_MS, MAX_TEXT_BODY_BYTES } from "../../../../shared/protocol/limits.ts";

/** The bounds of the HTTP API, in one place. */
export const LIMITS = {
  ...SERVER_BOUNDS,
  ...JSON_BOUNDS,
  /** Of JSON and inferences. Uploads follow the catalog's rate rule instead. */
  bodyMs: BODY_MS,
  /** Every node holds two sockets, three while it receives a model: this is room for ten thousand of them. */
  connections: 40_000,
  /** Of one address: a site behind one router is one address, and so is a proxy. */
  connectionsPerAddress: 30_000,
  /** A reader of a streamed answer that takes nothing for so long is cut off, in ms. */
  readerStallMs: 30_000,
  /** Bytes of one inference body. Beyond it: 413. */
  inferenceBodyBytes: DEFAULT_BODY_BYTES,
  /** Bytes of one request for text. Beyond it: 413. */
  textBodyBytes: MAX_TEXT_BODY_BYTES,
  /** Bytes of inference bodies that are held at once. Beyond it: 429. */
  inferenceBytes: 512 * 1_048_576,
  inferencesPerKey: 1_024,
  /** Uploads of one key that send bytes at once. */
  uploadsPerKey: 16,
  /** Requests per second of one key under `/api/v1`, and how many it may save up. */
  requestsPerKey: { perSecond: 100, burst: 400 },
  /** API keys, join tokens and codes that one key makes: two a second, and two minutes' worth at once. */
  credentialsPerKey: { perSecond: 2, burst: 240 },
  /** Requests of one address to routes of `/api/v1` that take no key: joins and logins. A site's nodes may join at once. */
  requestsPerStranger: { perSecond: 100, burst: 1_000 },
  /** Failed joins and failed authentications of one address. */
  failuresPerAddress: { perSecond: 10, burst: 50 },
  drainMs: DRAIN_MS,
  lingerMs: LINGER_MS,
} as const;

export type Limits = { readonly [Key in keyof typeof LIMITS]: (typeof LIMITS)[Key] extends number ? number : Rate };
