import { z } from "zod";
import { listOf, pageQuery } from "../../../../shared/api/v1/common.ts";
import { auditEntry, auditHead, event, eventCursor, eventsQuery } from "../../../../shared/api/v1/events.ts";
import type { EventFeed } from "../../../app/events/event-feed.ts";
import type { AuditStore } from "../../../ports/access/audit.ts";
import { invalidFields } from "../../../../shared/base/invalid-fields.ts";
import { eventStream, STREAM_TYPE } from "../server/event-stream.ts";
import { defineRoute, type RequestFacts, type Route } from "../server/route.ts";

const TAG = "Events";

const auditQuery = pageQuery.extend({
  cursor: z
    .string()
    .regex(/^[0-9]{1,19}$/, "the `nextCursor` of the page before")
    .optional(),
});

export interface EventParts {
  readonly events: EventFeed;
  readonly audit: AuditStore;
}

export function eventRoutes({ events, audit }: EventParts): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/events",
      summary: "What happened; with `Accept: text/event-stream`, what happens, from `Last-Event-ID` on",
      tag: TAG,
      action: "events.read",
      query: eventsQuery,
      answer: listOf(event),
      streams: [STREAM_TYPE],
      statuses: [200],
      async handle(request) {
        const { query, header, signal } = request;
        if (!header("accept")?.includes(STREAM_TYPE)) return { body: await events.list(query) };
        const after = lastEventId(header) ?? query.cursor ?? (query.from === "oldest" ? null : undefined);
        const batches = await events.follow({ after, object: query.object, signal });
        return eventStream(batches, (data) => ({ id: data.id, data }));
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/audit",
      summary: "Who changed what, newest first",
      tag: TAG,
      action: "audit.read",
      query: auditQuery,
      answer: listOf(auditEntry),
      statuses: [200],
      async handle({ query: { limit, cursor } }) {
        const rows = await audit.list({ before: cursor ?? null, limit });
        const last = rows.length === limit ? rows.at(-1) : undefined;
        return { body: { items: rows.map((row) => ({ ...row })), nextCursor: last?.id ?? null } };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/audit/head",
      summary: "Where the chain of the audit log ends: with it `skerry audit verify` follows the chain",
      tag: TAG,
      action: "audit.read",
      answer: auditHead,
      statuses: [200],
      async handle() {
        return { body: await audit.head() };
      },
    }),
  ];
}

function lastEventId(header: RequestFacts["header"]): string | undefined {
  const id = header("last-event-id");
  if (id === undefined || id === "") return undefined;
  if (!eventCursor.safeParse(id).success)
    throw invalidFields("header", [{ field: "Last-Event-ID", message: "must be the `id` of an event" }]);
  return id;
}
