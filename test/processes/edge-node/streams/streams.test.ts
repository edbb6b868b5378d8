import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { eventually } from "../../../support/eventually.ts";
import { aStream, type Shown, StreamsRig } from "./support.ts";

// Longer than a stream waits at most before it tries again.
jest.setTimeout(120_000);

const rig = new StreamsRig();
beforeAll(() => rig.local.startHosts());
afterAll(() => rig.local.stopHosts());
afterEach(() => rig.close());

const isExact = (of: Shown): boolean =>
  of.produced === of.delivered + of.deduplicated + of.expired + of.dropped + of.waiting;

describe("a stream whose items are pushed", () => {
  it("sends each through the model, and its result alone to the webhook", async () => {
    await rig.open([aStream()]);
    const answer = await rig.push([1, -2.5], { "idempotency-key": "m-1", "skerry-stream": "left" });
    expect([answer.status, answer.json]).toEqual([202, { duplicate: false, position: 1 }]);
    const stream = await rig.whenShown("it is delivered", ({ delivered }) => delivered === 1);
    expect(stream).toMatchObject({ deployment: "same", name: "press", state: "running", reasons: [], produced: 1 });
    expect(rig.receiver.received).toEqual([
      {
        idempotencyKey: expect.stringMatching(/^dock-7\/same\/press\/\d+-1$/),
        key: "left",
        authorization: undefined,
        body: {
          node: "dock-7",
          deployment: "same",
          stream: "press",
          position: 1,
          item: "m-1",
          key: "left",
          acceptedAtMs: expect.any(Number),
          response: {
            model_name: "same",
            model_version: "3",
            outputs: [{ name: "y", shape: [1, 2], datatype: "FP32", data: [1, -2.5] }],
          },
        },
      },
    ]);
  });

  it("counts an item that comes again under its key as a duplicate", async () => {
    await rig.open([aStream()]);
    for (let i = 0; i < 3; i += 1) await rig.push([1, 2], { "idempotency-key": "same-one" });
    const stream = await rig.whenShown("it is delivered", ({ delivered }) => delivered === 1);
    expect([stream.produced, stream.deduplicated, isExact(stream)]).toEqual([3, 2, true]);
    expect(rig.receiver.received).toHaveLength(1);
  });

  it("takes numbers as bytes, a JSON array, or a request that names its inputs", async () => {
    await rig.open([aStream()]);
    await rig.push(new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer));
    await rig.push([[5, 6]]);
    await rig.push({ inputs: [{ name: "x", shape: [1, 2], datatype: "FP32", data: [7, 8] }] });
    await rig.whenShown("all are delivered", ({ delivered }) => delivered === 3);
    const data = rig.receiver.received.map(
      ({ body }) => (body as { response: { outputs: { data: number[] }[] } }).response.outputs[0]?.data,
    );
    expect(data).toEqual([
      [1, 2, 3, 4],
      [5, 6],
      [7, 8],
    ]);
  });

  it("drops what the model does not take, and goes on", async () => {
    await rig.open([aStream()]);
    await rig.push([1, 2, 3]);
    await rig.push({ inputs: "none" });
    await rig.push(new Uint8Array([1, 2, 3]));
    await rig.push([1, 2]);
    const stream = await rig.whenShown("the good one is delivered", ({ delivered }) => delivered === 1);
    expect([stream.dropReasons["refused"], isExact(stream)]).toEqual([3, true]);
  });

  it("keeps results while the webhook is away, says so, and delivers all when it is back", async () => {
    await rig.open([aStream()]);
    await rig.receiver.stop();
    for (let i = 0; i < 20; i += 1) expect((await rig.push([i, i])).status).toBe(202);
    const waiting = await rig.whenShown("it waits", ({ state, waiting: n }) => state === "waiting" && n === 20);
    expect(waiting.reasons.join()).toContain("the webhook does not answer");
    await rig.receiver.start();
    const stream = await rig.whenShown("all are delivered", ({ delivered }) => delivered === 20);
    expect(isExact(stream)).toBe(true);
    const positions = rig.receiver.received.map(({ body }) => (body as { position: number }).position);
    expect(new Set(positions)).toEqual(new Set(Array.from({ length: 20 }, (_, i) => i + 1)));
  });

  it("counts a result that the webhook refuses for good as dropped, and tries one again that it cannot take now", async () => {
    await rig.open([aStream()]);
    rig.receiver.status = 422;
    await rig.push([1, 2]);
    await rig.whenShown("it is dropped", ({ dropReasons }) => dropReasons["sink-refused"] === 1);
    rig.receiver.status = 503;
    await rig.push([3, 4]);
    await rig.whenShown("it waits", ({ state }) => state === "waiting");
    rig.receiver.status = 204;
    const stream = await rig.whenShown("it is delivered", ({ delivered }) => delivered === 1);
    expect([stream.dropped, isExact(stream)]).toEqual([1, true]);
  });

  it("waits for its model", async () => {
    await rig.open([aStream()]);
    const [placement] = rig.local.facts.placements;
    if (placement === undefined) throw new Error("the rig has no placement");
    rig.local.facts.placements = [{ ...placement, state: "loading" }];
    expect((await rig.push([1, 2])).status).toBe(202);
    const waiting = await rig.whenShown("it waits", ({ state }) => state === "waiting");
    expect(waiting.reasons).toEqual(["no placement of same is ready on this node"]);
    rig.local.facts.placements = [placement];
    await rig.whenShown("it is delivered", ({ delivered }) => delivered === 1);
  });

  it("takes nothing more when it is declared so and is full", async () => {
    await rig.open([aStream({ whenFull: "refuse" })]);
    await rig.receiver.stop();
    const item = new Uint8Array(Float32Array.from({ length: 60_000 }, () => 0.5).buffer);
    const answers = [];
    for (let i = 0; i < 8; i += 1) answers.push(await rig.push(item));
    const refused = answers.find(({ status }) => status !== 202);
    expect([refused?.status, refused?.headers["skerry-error"]]).toEqual([429, "QUEUE_FULL"]);
    const [stream] = await rig.shown();
    expect(stream?.produced).toBe(answers.filter(({ status }) => status === 202).length);
    await rig.receiver.start();
  });

  it.each([
    ["/streams/same/none", 404, "NOT_FOUND"],
    ["/streams/other/press", 404, "NOT_FOUND"],
    ["/streams/same/Press", 404, "NOT_FOUND"],
  ])("answers %s with %i", async (where, status, code) => {
    await rig.open([aStream()]);
    const answer = await rig.push([1, 2], {}, where);
    expect([answer.status, answer.headers["skerry-error"]]).toEqual([status, code]);
  });

  it.each([
    ["an empty item", "", {}],
    ["a key of other characters", "[1,2]", { "skerry-stream": "a b" }],
    ["an id that is too long", "[1,2]", { "idempotency-key": "x".repeat(129) }],
  ])("refuses %s", async (_what, body, headers) => {
    await rig.open([aStream()]);
    const answer = await rig.local.call("/streams/same/press", { method: "POST", body, headers });
    expect([answer.status, answer.headers["skerry-error"]]).toEqual([400, "INVALID_REQUEST"]);
    expect((await rig.shown())[0]?.produced).toBe(0);
  });
});

describe("a stream", () => {
  it("waits for a store that cannot be opened, says why, and runs when it can", async () => {
    await rig.open([aStream()], {}, (folder) => mkdir(path.join(folder, "streams.db")));
    const [stream] = await rig.shown();
    expect([stream?.state, stream?.reasons.join()]).toEqual([
      "waiting",
      expect.stringContaining("the database of streams cannot be opened"),
    ]);
    const answer = await rig.push([1, 2]);
    expect([answer.status, answer.headers["skerry-error"]]).toEqual([503, "STARTING"]);
    expect(rig.reports).toEqual([expect.stringContaining("the streams of this node wait: the database of streams")]);
    // Models serve meanwhile.
    expect((await rig.local.call("/v2/models/same/ready")).status).toBe(200);
    await rm(path.join(rig.folder, "streams.db"), { recursive: true });
    await rig.whenShown("it runs", ({ state }) => state === "running", 60_000);
    expect((await rig.push([1, 2])).status).toBe(202);
    await rig.whenShown("it is delivered", ({ delivered }) => delivered === 1);
  });

  it("delivers the results behind one that its receiver fails on, and that one when it can", async () => {
    await rig.open([aStream()]);
    rig.receiver.statusOf = (body) => (body.includes('"item":"bad"') ? 500 : undefined);
    await rig.push([1, 2], { "idempotency-key": "bad" });
    await rig.whenShown("it waits", ({ state }) => state === "waiting");
    for (let i = 0; i < 5; i += 1) await rig.push([i, i]);
    const stream = await rig.whenShown("the others are delivered", ({ delivered }) => delivered === 5, 60_000);
    expect(stream.waiting).toBe(1);
    rig.receiver.statusOf = () => undefined;
    await rig.whenShown("all are delivered", ({ delivered, waiting }) => delivered === 6 && waiting === 0, 60_000);
  });

  it("says which source or sink the device does not offer, and reads nothing", async () => {
    await rig.open([aStream({ source: "cameras", sink: "plant" })]);
    const [stream] = await rig.shown();
    expect(stream).toMatchObject({ state: "waiting", produced: 0 });
    expect(stream?.reasons).toEqual([
      "this node offers no source cameras; its streams file names those that it does",
      "this node offers no sink plant; its streams file names those that it does",
    ]);
    expect((await rig.push([1, 2])).status).toBe(404);
  });

  it("is in the metrics, each item in one outcome", async () => {
    await rig.open([aStream()]);
    for (let i = 0; i < 2; i += 1) await rig.push([1, 2], { "idempotency-key": "one" });
    await rig.whenShown("it is delivered", ({ delivered }) => delivered === 1);
    const text = (await rig.local.call("/metrics")).bytes.toString();
    const labels = 'deployment="same",stream="press"';
    expect(text).toContain(`skerry_node_stream_items_total{${labels},outcome="delivered"} 1`);
    expect(text).toContain(`skerry_node_stream_items_total{${labels},outcome="deduplicated"} 1`);
    expect(text).toContain(`skerry_node_stream_waiting{${labels},for="sink"} 0`);
  });

  it("that is declared no more delivers what it has, and is forgotten then", async () => {
    await rig.open([aStream()]);
    await rig.receiver.stop();
    await rig.push([1, 2]);
    await rig.whenShown("its result waits", ({ state }) => state === "waiting");
    rig.declare([]);
    await rig.whenShown("it ends", ({ state }) => state === "ending");
    expect((await rig.push([3, 4])).status).toBe(404);
    await rig.receiver.start();
    await eventually("it is forgotten", async () => (await rig.shown()).length === 0);
    expect(rig.receiver.keys).toHaveLength(1);
  });

  it("goes on under another declaration with what it has counted", async () => {
    await rig.open([aStream()]);
    await rig.push([1, 2]);
    await rig.whenShown("it is delivered", ({ delivered }) => delivered === 1);
    rig.declare([aStream({ expirySeconds: 59, sink: "nowhere" })]);
    await rig.whenShown("the other declaration runs", ({ reasons }) => reasons.length === 1);
    await rig.push([3, 4]);
    const stream = await rig.whenShown("its result waits", ({ waiting }) => waiting === 1);
    expect([stream.produced, stream.delivered]).toEqual([2, 1]);
  });
});

describe("a stream that reads a directory into a folder", () => {
  let inbox: string;
  let outbox: string;
  const bases: string[] = [];
  const open = async (after: "delete" | "keep" = "delete"): Promise<void> => {
    const base = await mkdtemp(path.join(tmpdir(), "skerry-inbox-"));
    bases.push(base);
    [inbox, outbox] = [path.join(base, "in"), path.join(base, "out")];
    await mkdir(inbox);
    const directory = { path: inbox, after, settleMs: 0, scanMs: 50, key: "name" as const };
    await rig.open([aStream({ source: "files", sink: "spool" })], {
      sources: { files: { directory } },
      sinks: { spool: { folder: { path: outbox, maxMiB: 1, gatherMs: 0 } } },
    });
  };
  const lines = async (): Promise<readonly { item: string; key: string }[]> => {
    const names = (await readdir(outbox)).toSorted();
    const texts = await Promise.all(names.map((name) => readFile(path.join(outbox, name), "utf8")));
    return texts.flatMap((text) => text.trim().split("\n")).map((line) => JSON.parse(line));
  };
  // Not after each test: the stream is closed after that, and makes folders in it until then.
  afterAll(() => Promise.all(bases.map((base) => rm(base, { recursive: true, force: true }))));

  it("takes complete files in the order of their names, removes them, and writes results as JSON lines", async () => {
    await open();
    await writeFile(path.join(inbox, ".a.json"), "[0, 0]");
    await writeFile(path.join(inbox, "half.json.part"), "[9");
    for (const name of ["left-1.json", "left-2.json", "right-1.json"]) {
      await writeFile(path.join(inbox, `.${name}`), "[1, 2]");
      await rename(path.join(inbox, `.${name}`), path.join(inbox, name));
    }
    await rig.whenShown("all are written", ({ delivered }) => delivered === 3);
    expect((await lines()).map(({ item, key }) => `${item.split(":")[0]} of ${key}`)).toEqual([
      "left-1.json of left",
      "left-2.json of left",
      "right-1.json of right",
    ]);
    // A result may be there before its file is removed.
    await eventually("all are removed", async () => (await readdir(path.join(inbox, ".skerry-claimed"))).length === 0);
    expect((await readdir(inbox)).toSorted()).toEqual([".a.json", ".skerry-claimed", "half.json.part"]);
  });

  it("counts a file that comes again as a duplicate, and keeps files as it is declared", async () => {
    await open("keep");
    for (let i = 1; i <= 2; i += 1) {
      await writeFile(path.join(inbox, "again.json"), "[1, 2]");
      await rig.whenShown("it is read", ({ produced }) => produced === i);
    }
    const stream = await rig.whenShown("one is written", ({ delivered }) => delivered === 1);
    expect([stream.deduplicated, isExact(stream)]).toEqual([1, true]);
    await eventually("both are kept", async () => (await readdir(path.join(inbox, ".skerry-taken"))).length === 2);
  });

  it("takes up a file that was claimed when the node was killed", async () => {
    await open();
    await eventually("it looks", async () => (await readdir(inbox)).includes(".skerry-claimed"));
    await writeFile(path.join(inbox, ".skerry-claimed", "1700000000000-late.json"), "[1, 2]");
    await rig.whenShown("it is written", ({ delivered }) => delivered === 1);
    expect((await lines()).map(({ key }) => key)).toEqual(["late"]);
  });

  it("follows no link, waits for no pipe, and goes on with what lies behind them", async () => {
    await open();
    const claims = path.join(inbox, ".skerry-claimed");
    const secret = path.join(path.dirname(inbox), "secret.json");
    await writeFile(secret, "[1, 2]");
    await eventually("it looks", async () => (await readdir(inbox)).includes(".skerry-claimed"));
    await symlink(secret, path.join(claims, "1700000000000-a.json"));
    execFileSync("mkfifo", [path.join(claims, "1700000000000-b.json")]);
    await writeFile(path.join(inbox, `${"n".repeat(245)}.json`), "[1, 2]");
    await writeFile(path.join(inbox, "own.json"), "[1, 2]");
    const stream = await rig.whenShown(
      "the last is written",
      ({ delivered, reasons }) => delivered === 1 && reasons.length > 0,
    );
    expect(stream.reasons[0]).toContain("1700000000000-a.json is no file, but a link, a pipe or a folder");
    expect([stream.produced, (await lines()).map(({ key }) => key)]).toEqual([1, ["own"]]);
    expect(await readFile(secret, "utf8")).toBe("[1, 2]");
  });

  it("removes nothing in a folder to which a link in the place of its own leads", async () => {
    await open();
    const elsewhere = path.join(path.dirname(inbox), "elsewhere");
    await mkdir(elsewhere);
    await writeFile(path.join(elsewhere, "1700000000000-kept.json"), "[1, 2]");
    await eventually("it looks", async () => (await readdir(inbox)).includes(".skerry-claimed"));
    await rm(path.join(inbox, ".skerry-claimed"), { recursive: true });
    await symlink(elsewhere, path.join(inbox, ".skerry-claimed"));
    const stream = await rig.whenShown("it says so", ({ reasons }) => reasons.length > 0);
    expect(stream.reasons).toEqual(["the directory cannot be read: .skerry-claimed is a link, and has to be a folder"]);
    expect([stream.produced, await readdir(elsewhere)]).toEqual([0, ["1700000000000-kept.json"]]);
  });
});
