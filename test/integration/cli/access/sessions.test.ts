import { EventEmitter } from "node:events";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { runCli } from "../../../unit/cli/support/run-cli.ts";
import { FakeApi, json, type Asked } from "../support/fake-api.ts";
import { listOf, nodeNamed } from "../support/objects.ts";

describe("a session", () => {
  let api: FakeApi;
  let server: string;
  let folder: string;
  let env: NodeJS.ProcessEnv;

  beforeEach(async () => {
    api = new FakeApi();
    server = await api.start();
    folder = await mkdtemp(join(tmpdir(), "skerry-cli-"));
    env = { SKERRY_CONFIG: join(folder, "config.json") };
  });
  afterEach(async () => {
    await api.stop();
    await rm(folder, { recursive: true });
  });

  describe("login", () => {
    beforeEach(() => api.on("GET /api/v1/whoami", { keyId: "k1", name: "ana", role: "operator", models: [] }));

    it("keeps the key in a file for its owner alone, and later commands use it", async () => {
      const { exitCode, stderr } = await runCli(["login", "--server", server, "--name", "lab"], {
        env,
        stdin: "sk_abc\n",
      });
      expect([exitCode, stderr]).toEqual([0, expect.stringContaining(`Logged in to ${server} as ana (operator)`)]);
      expect((await stat(join(folder, "config.json"))).mode & 0o777).toBe(0o600);
      expect((await runCli(["whoami"], { env })).stdout).toBe(`ana (operator), key k1, at ${server}\n`);
      expect(api.asked.at(-1)?.headers.authorization).toBe("Bearer sk_abc");
      const contexts = await runCli(["context", "-o", "json"], { env });
      expect(JSON.parse(contexts.stdout).items).toEqual([{ name: "lab", server, hasKey: true, current: true }]);
      expect(contexts.stdout).not.toContain("sk_abc");
    });

    it("writes nothing when the server refuses the key", async () => {
      api.problem("GET /api/v1/whoami", 401, "UNAUTHENTICATED", "the key is unknown");
      expect((await runCli(["login", "--server", server], { env, stdin: "sk_bad\n" })).exitCode).toBe(4);
      await expect(readFile(join(folder, "config.json"))).rejects.toThrow("ENOENT");
    });

    it("by device is none where the server has no identity provider", async () => {
      api.on("GET /api/v1/login", { oidc: null });
      const { exitCode, stderr } = await runCli(["login", "--server", server, "--device"], { env });
      expect([exitCode, stderr]).toEqual([1, expect.stringContaining("has no identity provider")]);
    });

    it("is undone by `logout`, which forgets the key here and says that it stays good", async () => {
      await runCli(["login", "--server", server, "--name", "lab"], { env, stdin: "sk_abc\n" });
      expect((await runCli(["logout"], { env })).stderr).toContain("It stays good");
      expect(await readFile(join(folder, "config.json"), "utf8")).not.toContain("sk_abc");
      expect((await runCli(["logout"], { env })).stderr).toContain("nothing to forget");
    });

    it("sends nothing that is no key", async () => {
      const { exitCode, stderr } = await runCli(["login", "--server", server], { env, stdin: "hunter2\n" });
      expect([exitCode, api.asked]).toEqual([1, []]);
      expect(stderr).not.toContain("hunter2");
    });

    it("is forgotten by `context rm`, and `context use` picks among several", async () => {
      for (const name of ["one", "two"])
        await runCli(["login", "--server", server, "--name", name], { env, stdin: "sk_abc\n" });
      await runCli(["context", "use", "one"], { env });
      expect((await runCli(["context", "ls", "-o", "name"], { env })).stdout).toBe("one\ntwo\n");
      expect((await runCli(["context", "rm", "one"], { env })).exitCode).toBe(0);
      expect((await runCli(["context", "use", "one"], { env })).exitCode).toBe(5);
      expect(JSON.parse(await readFile(join(folder, "config.json"), "utf8"))).toMatchObject({
        current: null,
        contexts: { two: { server } },
      });
    });
  });

  it("finds the `skerry dev` of this folder from anywhere below it", async () => {
    const below = join(folder, "a", "b");
    await mkdir(below, { recursive: true });
    await mkdir(join(folder, ".skerry"));
    const running = { pid: process.pid, server, startedAt: new Date().toISOString() };
    await writeFile(join(folder, ".skerry", "running.json"), JSON.stringify(running));
    await writeFile(join(folder, ".skerry", "admin.key"), "sk_dev\n");
    api.on("GET /api/v1/nodes", listOf(nodeNamed("edge-a")));
    expect((await runCli(["nodes", "ls", "-o", "name"], { env, cwd: below })).stdout).toBe("edge-a\n");
    expect(api.asked[0]?.headers.authorization).toBe("Bearer sk_dev");
  });

  it("that watches events goes on behind the last one after a break, until Ctrl-C", async () => {
    const event = (id: string) => ({
      id,
      at: `2026-01-01T00:00:0${id}Z`,
      type: "Normal",
      reason: "NodeReady",
      object: "node/edge-a",
      message: `event ${id}`,
    });
    let streams = 0;
    api.on("GET /api/v1/events", ({ headers }: Asked, response: ServerResponse) => {
      if (headers.accept !== "text/event-stream") return json(response, 200, listOf(event("1")));
      streams += 1;
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write(`id: ${streams + 1}\ndata: ${JSON.stringify(event(String(streams + 1)))}\n\n`);
      if (streams === 1) response.end();
    });
    const signals = new EventEmitter();
    const { exitCode, stdout } = await runCli(["events", "-w", "-o", "json"], {
      env: { ...env, SKERRY_SERVER: server },
      signals,
      onOutput: (text) => {
        if (text.includes("event 3")) signals.emit("SIGINT");
      },
    });
    expect(exitCode).toBe(130);
    expect(
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).id),
    ).toEqual(["1", "2", "3"]);
    expect(api.asked.slice(1).map(({ headers }) => headers["last-event-id"])).toEqual(["1", "2"]);
  });

  it("asks a model with raw bytes and prints which node answered, why and how long it took", async () => {
    const input = join(folder, "digit.f32");
    await writeFile(input, Buffer.from(Float32Array.of(1, -2.5).buffer));
    api.on("GET /v2/models/demo", {
      name: "demo",
      versions: ["3"],
      platform: "onnx_onnxv1",
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
      outputs: [],
      properties: {},
    });
    const answer = {
      model_name: "demo",
      model_version: "3",
      outputs: [{ name: "y", datatype: "INT64", shape: [1], data: [7] }],
    };
    const headers = {
      "Skerry-Node": "edge-a",
      "Skerry-Model-Version": "demo:3",
      "Skerry-Route": 'placement="p", reason=only, eta=4, candidates=1, attempt=1',
      "Server-Timing": "route;dur=0.1, infer;dur=2.1",
    };
    api.on("POST /v2/models/demo/infer", answer, { headers });
    const { exitCode, stdout, stderr } = await runCli(
      ["infer", "demo", "--input", `x=@${input}`, "--site", "harbour", "--node", "edge-a", "--edge-only"],
      { env: { ...env, SKERRY_SERVER: server } },
    );
    expect(exitCode).toBe(0);
    expect(stdout).toBe("OUTPUT  DATATYPE  SHAPE  DATA\ny       INT64     [1]    7\n");
    expect(stderr).toMatch(
      /^demo:3 answered on edge-a in [\d.]+ ms\nroute: only: the only ready one, 4 ms expected\nof which: route 0.1 ms, infer 2.1 ms\n$/,
    );
    const asked = api.asked.at(-1);
    expect(asked?.headers).toMatchObject({
      "skerry-site": "harbour",
      "skerry-prefer": "node=edge-a",
      "skerry-residency": "edge-only",
    });
    const length = Number(asked?.headers["inference-header-content-length"]);
    expect(JSON.parse(asked?.body.subarray(0, length).toString() ?? "")).toEqual({
      inputs: [{ name: "x", datatype: "FP32", shape: [1, 2], parameters: { binary_data_size: 8 } }],
    });
    expect(asked?.body.length).toBe(length + 8);
  });
});
