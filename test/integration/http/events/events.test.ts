import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { NewEvent } from "../../../../control-plane/ports/events.ts";
import { settle } from "../../../support/test-clock.ts";
import { EventStream } from "../support/event-stream.ts";
import { openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

let api: OpenHttpApi;
beforeEach(async () => {
  api = await openHttpApi();
});
afterEach(() => api.close());

const anEvent = (object: string): NewEvent => ({
  type: "Normal",
  reason: "Happened",
  object,
  message: `something happened to ${object}`,
});

const openStream = (
  path = "/api/v1/events",
  headers: Record<string, string> = {},
  key = api.keyOf.viewer,
): Promise<EventStream> =>
  EventStream.open(api.open("GET", path, { key, headers: { Accept: "text/event-stream", ...headers } }));

describe("the list of events", () => {
  it("shows the newest, oldest first, and goes on from a cursor", async () => {
    for (const name of ["a", "b", "c", "d"]) api.stores.happen(anEvent(`node/${name}`));
    const ids = async (query: string) => {
      const { body } = await api.call("GET", `/api/v1/events${query}`, { key: api.keyOf.viewer });
      return [body.items.map(({ id }: { id: string }) => id).join(""), body.nextCursor];
    };
    expect(await ids("?limit=2")).toEqual(["34", null]);
    expect(await ids("?from=oldest&limit=3")).toEqual(["123", "3"]);
    expect(await ids("?cursor=3&limit=3")).toEqual(["4", null]);
    expect(await ids("?object=node/b")).toEqual(["2", null]);
  });
});

describe("the stream of events", () => {
  it("shows what happens from now on, as soon as it is notified", async () => {
    api.stores.happen(anEvent("node/before"));
    const stream = await openStream();
    expect(stream.type).toBe("text/event-stream");
    api.stores.happen(anEvent("node/after"));
    api.feed.wake();
    expect(await stream.next()).toContain('"object":"node/after"');
    stream.close();
  });

  it("resumes after Last-Event-ID without a gap and without a repetition", async () => {
    const first = await openStream();
    for (const name of ["a", "b", "c"]) api.stores.happen(anEvent(`node/${name}`));
    api.feed.wake();
    expect([await first.nextId(), await first.nextId()]).toEqual(["1", "2"]);
    first.close();
    api.stores.happen(anEvent("node/d"));
    const second = await openStream("/api/v1/events", { "Last-Event-ID": "2" });
    expect([await second.nextId(), await second.nextId()]).toEqual(["3", "4"]);
    api.stores.happen(anEvent("node/e"));
    api.feed.wake();
    expect(await second.nextId()).toBe("5");
    second.close();
  });

  it("finds within a second what a lost notification did not announce", async () => {
    const stream = await openStream();
    api.stores.happen(anEvent("node/a"));
    await api.clock.advance(1_000);
    expect(await stream.nextId()).toBe("1");
    stream.close();
  });

  it("narrows to one object, and sends a comment while nothing happens", async () => {
    const stream = await openStream("/api/v1/events?object=node/b");
    for (const name of ["a", "b"]) api.stores.happen(anEvent(`node/${name}`));
    api.feed.wake();
    expect(await stream.nextId()).toBe("2");
    await settle();
    await api.clock.advance(6_000);
    expect(await stream.next()).toBe(": heartbeat");
    stream.close();
  });

  it("ends at once for a key that was revoked", async () => {
    const { body } = await api.call("POST", "/api/v1/api-keys", {
      key: api.keyOf.admin,
      body: { name: "watcher", role: "viewer" },
    });
    const stream = await openStream("/api/v1/events", {}, body.key);
    await api.call("DELETE", `/api/v1/api-keys/${body.id}`, { key: api.keyOf.admin });
    expect(await stream.next()).toBeUndefined();
  });

  it("ends when the server stops", async () => {
    const stream = await openStream();
    await api.api.http.stop();
    expect(await stream.next()).toBeUndefined();
  });

  it("refuses a Last-Event-ID that is none", async () => {
    for (const id of ["a b", "abc"]) {
      const headers = { Accept: "text/event-stream", "Last-Event-ID": id };
      expect((await api.call("GET", "/api/v1/events", { key: api.keyOf.viewer, headers })).body.code).toBe(
        "INVALID_REQUEST",
      );
    }
  });
});

describe("the audit log", () => {
  it("is read newest first, page by page, by an admin", async () => {
    const page = async (query: string) =>
      (await api.call("GET", `/api/v1/audit${query}`, { key: api.keyOf.admin })).body;
    const first = await page("?limit=3");
    expect(first.items.map(({ id }: { id: string }) => id)).toEqual(["4", "3", "2"]);
    const second = await page(`?limit=3&cursor=${first.nextCursor}`);
    expect([second.items.map(({ id }: { id: string }) => id), second.nextCursor]).toEqual([["1"], null]);
  });
});
