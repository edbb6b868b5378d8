import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { LocalKeys } from "../../../../edge-node/adapters/http/local-keys.ts";
import { EMPTY_LEDGER, type Ledger } from "../../../../edge-node/core/streams/ledger.ts";
import type { KnownCaller } from "../../../../edge-node/ports/disk.ts";
import type { StreamStatus } from "../../../../edge-node/ports/streams.ts";
import { aPlacement, LocalApiRig, pair, type Answered } from "../support/local-api-rig.ts";

const rig = new LocalApiRig();
const { call, infer } = rig;
beforeAll(() => rig.startHosts());
afterAll(() => rig.stopHosts());
afterEach(() => rig.close());

describe("a node's own API", () => {
  beforeEach(() => rig.open());

  it("says what it is and what it holds", async () => {
    expect((await call("/v2")).json).toEqual({
      name: "skerry",
      version: "1.2.3",
      extensions: ["binary_tensor_data", "model_configuration", "statistics"],
    });
    expect((await call("/v2/models")).json).toEqual({ models: ["loop", "same"] });
    expect((await call("/v2/models/same")).json).toMatchObject({
      name: "same",
      versions: ["3"],
      platform: "onnx_onnxv1",
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
    });
    expect((await call("/v2/models/same/versions/3/ready")).json).toEqual({ name: "same", ready: true });
  });

  it("lists versions with their states, or the ready ones only", async () => {
    rig.facts.placements = [
      aPlacement("same", rig.identity, { version: "10" }),
      aPlacement("same", rig.identity),
      aPlacement("broken", rig.identity, { state: "failed", detail: "LOAD_FAILED: the model hangs" }),
    ];
    const index = await call("/v2/repository/index", { method: "POST" });
    expect(index.json).toEqual([
      { name: "broken", version: "3", state: "UNAVAILABLE", reason: "LOAD_FAILED: the model hangs" },
      { name: "same", version: "3", state: "READY", reason: "" },
      { name: "same", version: "10", state: "READY", reason: "" },
    ]);
    const ready = await call("/v2/repository/index", { method: "POST", body: '{"ready":true}' });
    expect(ready.json).toHaveLength(2);
    expect((await call("/v2/health/ready")).status).toBe(503);
    const refused = await infer(pair, {}, "broken");
    expect([refused.status, refused.headers["retry-after"]]).toEqual([503, "1"]);
  });

  it("is ready with one of its models, where that was said to be enough", async () => {
    await rig.api.close();
    const placements = [aPlacement("same", rig.identity), aPlacement("loop", rig.loop, { state: "loading" })];
    await rig.open({ readyWhen: "any", placements });
    expect((await call("/v2/health/ready")).json).toEqual({ ready: true });
  });

  it("lists a version that two deployments placed here once, in the better state of the two", async () => {
    rig.facts.placements = [
      aPlacement("same", rig.identity, { state: "warming" }),
      aPlacement("same", rig.identity, { deployment: "canary" }),
    ];
    const index = await call("/v2/repository/index", { method: "POST" });
    expect(index.json).toEqual([{ name: "same", version: "3", state: "READY", reason: "" }]);
  });

  it("shows the signature of a model that is not loaded yet, from its manifest", async () => {
    const loading = { state: "loading", signature: undefined } as const;
    rig.facts.placements = [aPlacement("same", rig.identity, loading)];
    expect((await call("/v2/models/same")).headers["skerry-error"]).toBe("MODEL_NOT_READY");
    rig.facts.declared["sha256:same"] = { inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }], outputs: [] };
    expect((await call("/v2/models/same")).json).toEqual({
      name: "same",
      versions: ["3"],
      platform: "onnx_onnxv1",
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
      outputs: [],
      properties: { "skerry.version": "3", "skerry.artifact": "sha256:same" },
    });
  });

  it("says that it drains, and that it is no longer ready", async () => {
    rig.worker.drain();
    rig.facts.draining = true;
    const refused = await infer(pair);
    expect([refused.status, refused.headers["skerry-error"], refused.headers["connection"]]).toEqual([
      503,
      "DRAINING",
      "close",
    ]);
    expect((await call("/readyz")).status).toBe(503);
    expect((await call("/livez")).status).toBe(200);
  });

  it("is ready for probes while it serves, whether the control plane is there or not", async () => {
    rig.facts.connected = false;
    expect((await call("/readyz")).status).toBe(200);
    rig.facts.placements = [];
    expect((await call("/readyz")).json).toEqual({
      ready: false,
      reasons: ["not connected to a control plane, and nothing is ready here"],
    });
  });

  it("says to probes and on its page that an operator has to approve it, with the key to compare", async () => {
    rig.facts.keyToApprove = "its-key";
    rig.facts.connected = false;
    rig.facts.placements = [];
    const words = "this node waits for an operator to approve it: skerry nodes approve dock-7; its key is its-key";
    expect((await call("/readyz")).json).toMatchObject({ reasons: expect.arrayContaining([words]) });
    expect((await call("/status.json")).json).toMatchObject({ link: { state: "waiting", lastFault: words } });
  });

  it("says to probes and on its page that it was removed, and what to do", async () => {
    rig.facts.removed = true;
    const { status, json } = await call("/readyz");
    expect([status, JSON.stringify(json)]).toEqual([
      503,
      expect.stringContaining("was removed from its control plane"),
    ]);
    expect((await call("/status.json")).json).toMatchObject({
      link: {
        state: "removed",
        lastFault: expect.stringContaining("run `skerry join` with a new token and the same folder"),
      },
    });
  });

  it("keeps an idle connection for longer than the proxies in front do", async () => {
    const { headers } = await call("/livez", { headers: { connection: "keep-alive" } });
    expect(headers["keep-alive"]).toBe("timeout=75");
  });

  it("says what runs, since when, what waits and what went wrong, from memory", async () => {
    await infer(pair);
    rig.facts.connected = false;
    rig.facts.placements = [
      aPlacement("same", rig.identity, { stateAgeMs: 60_000 }),
      aPlacement("coming", rig.identity, { state: "downloading", progress: { done: 30, total: 100 }, stateAgeMs: 5 }),
    ];
    rig.facts.status = {
      startedAgeMs: 90_000,
      link: { ageMs: 4_000, lastFault: "1006 the connection broke" },
      log: [
        { level: "info", ageMs: 9_000, msg: "a host was replaced" },
        { level: "warn", ageMs: 8_000, msg: "a host ended" },
        { level: "error", ageMs: 7_000, msg: "a transfer failed" },
      ],
      unsentLines: 3,
    };
    expect((await call("/status.json")).json).toEqual({
      name: "dock-7",
      kind: "edge",
      version: "1.2.3",
      startedAgeMs: 90_000,
      isDraining: false,
      link: { state: "away", ageMs: 4_000, rttMs: null, lastFault: "1006 the connection broke" },
      placements: [
        expect.objectContaining({
          model: "same",
          state: "ready",
          stateAgeMs: 60_000,
          progress: null,
          load: expect.objectContaining({ done: 1, failed: 0, inFlight: 0 }),
        }),
        expect.objectContaining({ model: "coming", progress: { done: 30, total: 100 }, load: null }),
      ],
      waiting: { requests: 0, downloads: 1, logLines: 3, streamItems: 0 },
      errors: [
        { level: "error", ageMs: 7_000, msg: "a transfer failed" },
        { level: "warn", ageMs: 8_000, msg: "a host ended" },
      ],
    });
  });

  it("counts what waits on its disk of all its streams, for a model or for a sink", async () => {
    const aStatus = (name: string, waiting: Ledger["waiting"]): StreamStatus => ({
      deployment: "same",
      name,
      source: "push",
      sink: "hook",
      state: "waiting",
      reasons: ["no sink"],
      ledger: { ...EMPTY_LEDGER, waiting },
    });
    const statuses = [aStatus("press", { item: 2, result: 3 }), aStatus("saw", { item: 0, result: 4 })];
    await rig.close();
    const push = () => Promise.reject(new Error("nothing is pushed here"));
    await rig.open({}, undefined, { streams: () => ({ statuses: () => statuses, push }) });
    expect((await call("/status.json")).json).toMatchObject({
      waiting: { requests: 0, downloads: 0, logLines: 0, streamItems: 9 },
    });
  });

  it("has a page that asks this node alone, and says nothing of it by itself", async () => {
    const files = await Promise.all(["/", "/page.css", "/page.js"].map((file) => call(file)));
    expect(files.map(({ status, headers }) => [status, headers["content-type"]])).toEqual([
      [200, "text/html; charset=utf-8"],
      [200, "text/css; charset=utf-8"],
      [200, "text/javascript; charset=utf-8"],
    ]);
    for (const { headers, bytes } of files) {
      expect(headers["content-security-policy"]).toContain("default-src 'none'; script-src 'self'");
      expect(headers["content-security-policy"]).not.toContain("unsafe");
      expect(bytes.toString()).not.toMatch(/https?:|dock-7/);
    }
  });
});

describe("a node's API with keys", () => {
  const hashOf = (key: string): string => createHash("sha256").update(key).digest("hex");
  let file: string;

  beforeEach(async () => {
    file = path.join(rig.directory, "keys");
    await writeFile(file, `# the dock's till\n${hashOf("first")}  till\n`);
    await rig.open({}, await LocalKeys.open(file));
  });

  const withKey = (key: string): Promise<Answered> => infer(pair, { authorization: `Bearer ${key}` });

  it("asks for one that is in its file, but not for its probes", async () => {
    expect((await infer(pair)).status).toBe(401);
    const { headers } = await withKey("second");
    expect([headers["skerry-error"], headers["www-authenticate"]]).toEqual(["UNAUTHENTICATED", "Bearer"]);
    expect((await withKey("first")).status).toBe(200);
    expect((await call("/v2/models")).status).toBe(401);
    expect((await call("/metrics")).status).toBe(401);
    expect((await call("/status.json")).status).toBe(401);
    for (const probe of [
      "/",
      "/openapi.json",
      "/page.css",
      "/page.js",
      "/livez",
      "/readyz",
      "/v2/health/live",
      "/v2/health/ready",
      "/v2",
    ])
      expect((await call(probe)).status).toBe(200);
  });

  it("takes up a changed file at once, and keeps the old keys when it is damaged", async () => {
    await writeFile(file, `${hashOf("first")}\n${hashOf("second")}\n`);
    expect((await withKey("second")).status).toBe(200);
    await writeFile(file, "second\n");
    expect((await withKey("second")).status).toBe(200);
    await expect(LocalKeys.open(file)).rejects.toThrow(/line 1: not a SHA-256/);
  });
});

describe("a node's API with API keys of its control plane", () => {
  const id = "0123456789ab";
  const secret = "s".repeat(43);
  const key = `sk_${id}_${secret}`;
  const hash = createHash("sha256").update(secret).digest("hex");
  let known: KnownCaller | "stale" | undefined;
  const find = (asked: string): KnownCaller | "stale" | undefined => (asked === id ? known : undefined);
  const asKey = { authorization: `Bearer ${key}` };
  const statuses = async (paths: readonly string[]): Promise<number[]> =>
    Promise.all(paths.map(async (each) => (await call(each, { headers: asKey })).status));

  beforeEach(async () => {
    known = { id, hash, role: "operator", models: null, expiresAt: null };
    await rig.open({}, undefined, { apiKeys: { find } });
  });

  it("takes a key whose secret has the hash, and no other one", async () => {
    expect((await infer(pair, asKey)).status).toBe(200);
    for (const wrong of [`sk_${id}_${"t".repeat(43)}`, `sk_ffffffffffff_${secret}`, secret, "x"])
      expect((await infer(pair, { authorization: `Bearer ${wrong}` })).status).toBe(401);
    expect((await infer(pair)).status).toBe(401);
  });

  it("shows an application the models of its scope, and nothing of the others", async () => {
    known = { id, hash, role: "application", models: ["same"], expiresAt: null };
    expect((await call("/v2/models", { headers: asKey })).json).toEqual({ models: ["same"] });
    expect((await infer(pair, asKey)).status).toBe(200);
    expect((await infer(pair, asKey, "loop")).status).toBe(404);
    expect(await statuses(["/v2/models/loop", "/v2/models/loop/ready", "/status.json", "/metrics"])).toEqual([
      404, 404, 403, 403,
    ]);
  });

  it("lets an application push items of its own models alone, and a viewer see streams and push none", async () => {
    const push = async (deployment: string): Promise<string> => {
      const sent = { method: "POST", headers: { ...asKey, "content-type": "application/json" }, body: "[1,2]" };
      const { status, json } = await call(`/streams/${deployment}/press`, sent);
      return `${status} ${JSON.stringify(json)}`;
    };
    known = { id, hash, role: "application", models: ["same"], expiresAt: null };
    // No stream runs here: what an application may push to is told from what it may not see.
    expect(await push("same")).toMatch(/^404 .*no streams file/);
    expect(await push("loop")).toMatch(/^404 .*holds no deployment loop/);
    expect(await statuses(["/streams"])).toEqual([403]);
    known = { id, hash, role: "viewer", models: null, expiresAt: null };
    expect(await push("same")).toMatch(/^403 /);
    expect(await statuses(["/streams"])).toEqual([200]);
  });

  it("lets a viewer see and not run", async () => {
    known = { id, hash, role: "viewer", models: null, expiresAt: null };
    expect(await statuses(["/status.json", "/metrics", "/v2/models/same"])).toEqual([200, 200, 200]);
    expect((await infer(pair, asKey)).status).toBe(403);
  });

  it("says why it takes none when its control plane was away for too long, and takes those of its file", async () => {
    known = "stale";
    const { status, json } = await infer(pair, asKey);
    expect([status, JSON.stringify(json)]).toEqual([401, expect.stringContaining("without its control plane")]);
    await rig.api.close();
    const file = path.join(rig.directory, "both-keys");
    await writeFile(file, createHash("sha256").update("own").digest("hex"));
    await rig.open({}, await LocalKeys.open(file), { apiKeys: { find } });
    expect((await infer(pair, { authorization: "Bearer own" })).status).toBe(200);
    expect((await infer(pair, asKey)).status).toBe(401);
  });
});
