import { z } from "zod";

/** What the node's own paths beside `/v2` and `/v1` answer, for `/openapi.json`. A test compares each answer with it. */

export const liveness = z.strictObject({ live: z.literal(true) });

export const readiness = z.strictObject({
  ready: z.boolean(),
  reasons: z.array(z.string()).describe("Why it is of no use now; empty when it is."),
});

export const pushedItem = z.strictObject({
  duplicate: z.boolean().describe("An item with this `Idempotency-Key` was taken already."),
  position: z.number().int().min(0).optional().describe("Its number among all items of the node."),
});

export const failed = z.strictObject({ error: z.string() });
