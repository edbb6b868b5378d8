import { z } from "zod";
import { count, message, ms } from "./envelope.ts";

/** The node's own address asks callers for keys, and it takes the API keys too. `digest`: of those that it has. */
export const callerGet = message("caller.get", { digest: z.string().max(80).optional() });

/** Keys of one message, so that it fits. */
export const MAX_KEYS_PER_MESSAGE = 200;

const quota = z.number().int().min(1);

const callerKey = z.object({
  /** The part of the key that is no secret. */
  id: z.string().max(64),
  /** SHA-256 of the secret, in hexadecimal. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  role: z.enum(["viewer", "operator", "admin", "application"]),
  /** Of what the node holds the models that it may see; null: all. */
  models: z.array(z.string().max(64)).max(64).nullable(),
  expiresInMs: ms.nullable(),
  /** What the key may have at the node; null and left out: no more than others. */
  limits: z.object({ requestsPerMinute: quota.nullable(), concurrency: quota.nullable() }).optional(),
});
export type CallerLimitsOfKey = NonNullable<z.infer<typeof callerKey>["limits"]>;
export type CallerKey = z.infer<typeof callerKey>;

/**
 * The API keys that the node's own address takes, in place of those before, to a node that asked with `caller.get`: the answer,
 * and again whenever they change. In `pages` messages of the same `digest`; none of them (0) when the node has just these.
 */
export const callerKeys = message("caller.keys", {
  digest: z.string().max(80),
  page: count,
  pages: count.max(1_000),
  keys: z.array(callerKey).max(MAX_KEYS_PER_MESSAGE),
});
export type CallerKeysMessage = z.infer<typeof callerKeys>;
