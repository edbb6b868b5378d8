import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { constants, createGunzip } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { deployment } from "../../../../shared/api/v1/deployments/deployments.ts";
import { node } from "../../../../shared/api/v1/nodes/nodes.ts";
import { aNode } from "../../../support/fleet/fleet-builder.ts";
import { eventually } from "../../../support/eventually.ts";
import { settle } from "../../../support/test-clock.ts";
import { EventStream } from "../support/event-stream.ts";
import { openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";
import { nextMessage, untilBookmark } from "../support/watch-messages.ts";

let api: OpenHttpApi;
beforeEach(async () => {
  api = await openHttpApi();
});
afterEach(() => api.close());

const follow = (path: string, headers: Record<string, string> = {}, key = api.keyOf.admin): Promise<EventStream> =>
  EventStream.open(api.open("GET", path, { key, headers }));
const put = (name: string, model = "digits") =>
  api.call("PUT", `/api/v1/deployments/${name}`, { key: api.keyOf.admin, body: { name, model, version: 1 } });
const cordon = (name: string) => api.call("POST", `/api/v1/nodes/${name}/cordon`, { key: api.keyOf.admin });
/** Lets a change of the fleet reach the followers. */
const pass = () => api.clock.advance(200);

describe("a watch of deployments", () => {
  it("sends what there is, then each change with the whole object", async () => {
    const stream = await follow("/api/v1/deployments?watch");
    expect(stream.type).toBe("text/event-stream");
    expect((await untilBookmark(stream)).seen).toEqual(["reset", "added digits"]);
    await put("other");
    await pass();
    const added = await nextMessage(stream);
    expect([added?.event, deployment.parse(added?.data).spec.name]).toEqual(["added", "other"]);
    await api.call("DELETE", "/api/v1/deployments/other", { key: api.keyOf.admin });
    await pass();
    expect(await nextMessage(stream)).toMatchObject({ event: "deleted", name: "other" });
    stream.close();
  });

  it("shows an application the deployments of its models, and says nothing of the others", async () => {
    const stream = await follow("/api/v1/deployments?watch=true", {}, api.keyOf.application);
    expect((await untilBookmark(stream)).seen).toEqual(["reset", "added digits"]);
    await put("hidden", "secret");
    await pass();
    await put("shown");
    await pass();
    expect(await nextMessage(stream)).toMatchObject({ event: "added", name: "shown" });
    stream.close();
  });

  it("follows the status that the leader records", async () => {
    const stream = await follow("/api/v1/deployments?watch=true");
    await untilBookmark(stream);
    const [row] = api.stores.rows.deployments;
    if (!row) throw new Error("there is no deployment");
    const findings = {
      conditions: [],
      activeVersion: 1,
      targetVersion: 1,
      edge: { wanted: 1, placed: 1, ready: 1 },
      cloud: { wanted: 0, placed: 0, ready: 0 },
      unplaced: [],
    };
    api.stores.rows.deployments = [{ ...row, status: { observedGeneration: 1, findings, at: 0 } }];
    await cordon("edge-b"); // reads the rows again
    await pass();
    const changed = await nextMessage(stream);
    expect([changed?.event, deployment.parse(changed?.data).status.edge.ready]).toEqual(["modified", 1]);
    stream.close();
  });
});

describe("a watch of nodes", () => {
  it("takes the selector of the list: a node comes and goes with its labels", async () => {
    const stream = await follow("/api/v1/nodes?watch=true&labelSelector=gpu%3Dtrue");
    expect((await untilBookmark(stream)).seen).toEqual(["reset", "added edge-b"]);
    const label = (name: string, labels: Record<string, string>) =>
      api.call("PATCH", `/api/v1/nodes/${name}`, { key: api.keyOf.admin, body: { labels } });
    await label("edge-a", { gpu: "true" });
    await pass();
    expect(await nextMessage(stream)).toMatchObject({ event: "added", name: "edge-a" });
    await label("edge-b", {});
    await pass();
    expect(await nextMessage(stream)).toMatchObject({ event: "deleted", name: "edge-b" });
    stream.close();
  });

  it("takes a renamed node for one that goes and one that comes", async () => {
    const stream = await follow("/api/v1/nodes?watch=true");
    await untilBookmark(stream);
    const key = api.keyOf.admin;
    const renamed = await api.call("PATCH", "/api/v1/nodes/edge-a", { key, body: { name: "quay-1" } });
    expect([renamed.status, renamed.body.name, typeof renamed.headers.etag]).toEqual([200, "quay-1", "string"]);
    await pass();
    const messages = [await nextMessage(stream), await nextMessage(stream)];
    expect(new Set(messages.map((message) => `${message?.event} ${message?.name}`))).toEqual(
      new Set(["added quay-1", "deleted edge-a"]),
    );
    const statuses = ["edge-a", "quay-1"].map(
      async (name) => (await api.call("GET", `/api/v1/nodes/${name}`, { key })).status,
    );
    expect(await Promise.all(statuses)).toEqual([404, 200]);
    const happened = api.stores.happened.map(({ reason, object, message }) => [reason, object, message]);
    expect(happened).toContainEqual(["NodeRenamed", "node/quay-1", "admin-key renamed edge-a to quay-1"]);
    stream.close();
  });

  it("says that a node fell silent, which no change of the fleet says", async () => {
    const stream = await follow("/api/v1/nodes?watch=true");
    await untilBookmark(stream);
    // The replica that holds its session is another one, and it records nothing more.
    api.stores.rows.nodes = api.stores.rows.nodes.map((row) => ({
      ...row,
      session: row.session && { ...row.session, replica: "r-gone", open: false },
    }));
    await cordon("edge-b");
    await api.clock.advance(70_000);
    const states = new Set<string>();
    while (!states.has("lost")) {
      const message = await nextMessage(stream);
      if (message?.name === "edge-a") states.add(node.parse(message.data).state);
    }
    expect([...states].at(-1)).toBe("lost");
    stream.close();
  });

  it("resumes after Last-Event-ID, without a gap and without a repetition", async () => {
    const first = await follow("/api/v1/nodes?watch=true");
    const { id } = await untilBookmark(first);
    first.close();
    await cordon("edge-a");
    await cordon("edge-b");
    const second = await follow("/api/v1/nodes?watch=true", { "Last-Event-ID": id });
    const seen = [await nextMessage(second), await nextMessage(second)];
    expect(seen.map((message) => message?.name)).toEqual(["edge-a", "edge-b"]);
    second.close();
    const third = await follow("/api/v1/nodes?watch=true", { "Last-Event-ID": seen[0]?.id ?? "" });
    expect(await nextMessage(third)).toMatchObject({ event: "modified", name: "edge-b" });
    third.close();
  });

  it("says `reset` and begins anew for a place of another replica", async () => {
    const stream = await follow("/api/v1/nodes?watch=true", { "Last-Event-ID": "r-other.5" });
    expect((await untilBookmark(stream)).seen).toEqual(["reset", "added edge-a", "added edge-b"]);
    stream.close();
  });

  it("says by a comment that it is open, ends for a revoked key and when the server stops", async () => {
    const { body } = await api.call("POST", "/api/v1/api-keys", {
      key: api.keyOf.admin,
      body: { name: "watcher", role: "viewer" },
    });
    const [revoked, stopped] = [
      await follow("/api/v1/nodes?watch=true", {}, body.key),
      await follow("/api/v1/nodes?watch=true"),
    ];
    await Promise.all([untilBookmark(revoked), untilBookmark(stopped)]);
    await api.call("DELETE", `/api/v1/api-keys/${body.id}`, { key: api.keyOf.admin });
    expect(await revoked.next()).toBeUndefined();
    await settle();
    await api.clock.advance(6_000);
    expect(await stopped.next()).toBe(": heartbeat");
    await api.api.http.stop();
    expect(await stopped.next()).toBeUndefined();
  });

  it("holds no more for a slow reader than its connection does: it is sent a reset, and the list again", async () => {
    const nodes = Array.from({ length: 1_500 }, (_, index) =>
      aNode(`n-${index}`, { labels: { padding: "x".repeat(4_000) } }),
    );
    api.stores.rows.nodes.push(...nodes);
    await cordon("edge-a");
    const slow = await follow("/api/v1/nodes?watch=true");
    slow.pause();
    await settle();
    const [edges, rest] = [api.stores.rows.nodes.slice(0, 2), api.stores.rows.nodes.slice(2)];
    api.stores.rows.nodes = [...edges, ...rest.map((row) => ({ ...row, cordoned: true }))];
    await cordon("edge-b");
    await pass();
    slow.resume();
    const first = await untilBookmark(slow);
    expect(first.seen.length).toBe(1_503);
    const second = await untilBookmark(slow);
    expect([second.seen[0], second.seen.length]).toEqual(["reset", 1_503]);
    slow.close();
  }, 60_000);

  it("refuses a page of a stream, an unknown value and a selector that is none", async () => {
    for (const query of ["watch=true&limit=5", "watch&cursor=abc", "watch=maybe", "watch=true&labelSelector=%3D"]) {
      const { status, body } = await api.call("GET", `/api/v1/nodes?${query}`, { key: api.keyOf.admin });
      expect([query, status, body.code]).toEqual([query, 400, "INVALID_REQUEST"]);
    }
    expect(
      (await api.call("GET", "/api/v1/nodes?watch=false&limit=1", { key: api.keyOf.admin })).body.items.length,
    ).toBe(1);
    const forbidden = await api.call("GET", "/api/v1/nodes?watch=true", { key: api.keyOf.application });
    expect(forbidden.status).toBe(403);
  });

  it("is counted while it is open, and leaves nothing behind when its reader goes away", async () => {
    const shown = async (): Promise<string> =>
      (await api.call("GET", "/metrics", { key: api.keyOf.viewer })).bytes.toString();
    const stream = await follow("/api/v1/nodes?watch=true");
    expect(await shown()).toContain('skerry_watches{of="nodes"} 1');
    const head = await api.call("HEAD", "/api/v1/nodes?watch=true", { key: api.keyOf.admin });
    expect(head.headers["content-type"]).toBe("text/event-stream");
    stream.close();
    await eventually("the watch is gone", async () => (await shown()).includes('skerry_watches{of="nodes"} 0'));
  });
});

describe("a watch by a reader that takes gzip", () => {
  it("is compressed, and each change can be read as soon as it came", async () => {
    const headers = { "Accept-Encoding": "br, gzip" };
    const [response]: IncomingMessage[] = await once(
      api.open("GET", "/api/v1/nodes?watch=true", { key: api.keyOf.admin, headers }).end(),
      "response",
    );
    expect(response?.headers).toMatchObject({ "content-encoding": "gzip", vary: "Accept-Encoding" });
    const plain = response?.pipe(createGunzip({ flush: constants.Z_SYNC_FLUSH })).setEncoding("utf8");
    let text = "";
    plain?.on("data", (piece: string) => (text += piece)).on("error", () => undefined);
    await eventually("the whole list", () => text.includes("event: bookmark"));
    await cordon("edge-a");
    await pass();
    await eventually("the change", () => text.includes("event: modified"));
    response?.destroy();
    await eventually("the end of the watch", async () =>
      (await api.call("GET", "/metrics", { key: api.keyOf.admin })).bytes.includes('skerry_watches{of="nodes"} 0'),
    );
  });

  it("is plain where gzip is refused", async () => {
    const stream = await follow("/api/v1/nodes?watch=true", { "Accept-Encoding": "gzip;q=0" });
    expect((await untilBookmark(stream)).seen[0]).toBe("reset");
    stream.close();
  });
});
