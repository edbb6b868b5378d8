import { z } from "zod";
import { listOf, pageQuery } from "../../../../shared/api/v1/common.ts";
import { auditEntry, event, eventCursor, eventsQuery, type SkerryEvent } from "../../../../shared/api/v1/events.ts";
import type { Clock } from "../../../../shared/base/clock.ts";
import { isSkerryError } from "../../../../shared/base/errors.ts";
import type { EventFeed } from "../../../app/events/event-feed.ts";
import type { AuditStore } from "../../../ports/journal.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import { invalidFields } from "../../../../shared/base/invalid-fields.ts";
import { ADMINS, defineRoute, READERS, type RequestFacts, type Route } from "../server/route.ts";

const TAG = "Events";
const STREAM_TYPE = "text/event-stream";
/** How often the key of an open stream is looked at again. */
const RECHECK_MS = 5_000;

const auditQuery = pageQuery.extend({
  cursor: z
    .string()
    .regex(/^[0-9]{1,19}$/, "the `nextCursor` of the page before")
    .optional(),
});

export interface EventParts {
  readonly events: EventFeed;
  readonly audit: AuditStore;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
}

export function eventRoutes({ events, audit, authenticator, clock }: EventParts): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/events",
      summary: "What happened; with `Accept: text/event-stream`, what happens, from `Last-Event-ID` on",
      tag: TAG,
      access: READERS,
      query: eventsQuery,
      answer: listOf(event),
      streams: [STREAM_TYPE],
      statuses: [200],
      async handle(request) {
        const { query, header, signal } = request;
        if (!header("accept")?.includes(STREAM_TYPE)) return { body: await events.list(query) };
        const after = lastEventId(header) ?? query.cursor ?? (query.from === "oldest" ? null : undefined);
        const batches = await events.follow({ after, object: query.object, signal });
        return {
          stream: encode(whileKeyIsGood(batches, request)),
          headers: { "Content-Type": STREAM_TYPE, "X-Accel-Buffering": "no" },
        };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/audit",
      summary: "Who changed what, newest first",
      tag: TAG,
      access: ADMINS,
      query: auditQuery,
      answer: listOf(auditEntry),
      statuses: [200],
      async handle({ query: { limit, cursor } }) {
        const rows = await audit.list({ before: cursor ?? null, limit });
        const last = rows.length === limit ? rows.at(-1) : undefined;
        return { body: { items: rows.map((row) => ({ ...row })), nextCursor: last?.id ?? null } };
      },
    }),
  ];

  /** A key that is revoked while its stream is open gets nothing more. An outage of Postgres is no revocation. */
  async function* whileKeyIsGood(
    batches: AsyncGenerator<readonly SkerryEvent[]>,
    { header, address }: Pick<RequestFacts, "header" | "address">,
  ): AsyncGenerator<readonly SkerryEvent[]> {
    let checkedAt = clock.now();
    for await (const batch of batches) {
      if (clock.now() - checkedAt >= RECHECK_MS) {
        if (!(await isKeyGood(header("authorization"), address))) return;
        checkedAt = clock.now();
      }
      yield batch;
    }
  }

  async function isKeyGood(authorization: string | undefined, address: string): Promise<boolean> {
    try {
      await authenticator.authenticate(authorization, address);
      return true;
    } catch (error) {
      return isSkerryError(error) && error.code === "DATABASE_UNAVAILABLE";
    }
  }
}

function lastEventId(header: RequestFacts["header"]): string | undefined {
  const id = header("last-event-id");
  if (id === undefined || id === "") return undefined;
  if (!eventCursor.safeParse(id).success)
    throw invalidFields("header", [{ field: "Last-Event-ID", message: "must be the `id` of an event" }]);
  return id;
}

/** Batches as server-sent events; an empty batch becomes a comment, which keeps proxies from closing the connection. */
async function* encode(batches: AsyncGenerator<readonly SkerryEvent[]>): AsyncGenerator<Uint8Array> {
  yield Buffer.from("retry: 2000\n\n");
  for await (const batch of batches) {
    const text = batch.map((each) => `id: ${each.id}\ndata: ${JSON.stringify(each)}\n\n`).join("");
    yield Buffer.from(text === "" ? ": heartbeat\n\n" : text);
  }
}
