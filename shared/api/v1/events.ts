import { z } from "zod";
import { instant, pageQuery } from "./common.ts";

/** Something that happened: past tense in `reason`, one sentence in `message`. */
export const event = z
  .object({
    id: z.string(),
    at: instant,
    type: z.enum(["Normal", "Warning"]),
    reason: z.string(),
    /** What it happened to, e.g. `node/edge-a`, `deployment/digits`. */
    object: z.string(),
    message: z.string(),
  })
  .meta({ id: "Event" });
export type SkerryEvent = z.infer<typeof event>;

export const auditEntry = z
  .object({
    id: z.string(),
    at: instant,
    actor: z.string(),
    keyId: z.string().nullable(),
    action: z.string(),
    target: z.string(),
    /** Of the caller: behind `SKERRY_TRUSTED_PROXIES` proxies what the outermost of them saw. */
    address: z.string(),
    requestId: z.string(),
    detail: z.record(z.string(), z.unknown()),
    /** The hash of the entry before; null: from before the log had a chain. */
    prev: z.string().nullable(),
    /** SHA-256 of `prev`, a line feed, and the other fields as RFC 8785 spells them. */
    hash: z.string().nullable(),
  })
  .meta({ id: "AuditEntry" });

export const auditHead = z
  .object({
    /** The last entry of the chain, and its hash. */
    id: z.string(),
    hash: z.string(),
    /** The newest entry of the log: the same, unless somebody meddled with it. */
    newest: z.string(),
  })
  .meta({ id: "AuditHead" });
export type AuditHead = z.infer<typeof auditHead>;

/** An event's `id` is the cursor that continues after it. */
export const eventCursor = z.string().regex(/^[0-9A-Za-z._:-]{1,100}$/, "the `id` of an event");

/**
 * Without `cursor`: the newest events, or with `from=oldest` the first ones; always oldest first. `nextCursor` is null
 * when nothing follows yet. `object` narrows to one object, e.g. `node/edge-a`.
 */
export const eventsQuery = pageQuery.extend({
  cursor: eventCursor.optional(),
  from: z.enum(["newest", "oldest"]).default("newest"),
  object: z.string().max(200).optional(),
});
export type EventsQuery = z.infer<typeof eventsQuery>;
