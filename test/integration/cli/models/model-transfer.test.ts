import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { runCli, type CliResult } from "../../../unit/cli/support/run-cli.ts";
import { FakeApi, json, type Asked } from "../support/fake-api.ts";
import { listOf, versionOf } from "../support/objects.ts";

const MIB = 1024 * 1024;
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe("a model's bytes", () => {
  const content = Buffer.alloc(9 * MIB, "skerry");
  let api: FakeApi;
  let env: NodeJS.ProcessEnv;
  let folder: string;
  let file: string;
  let stored: Buffer;
  let aliases: Record<string, number>;
  const cli = (...args: readonly string[]): Promise<CliResult> => runCli(args, { env, cwd: folder });

  beforeEach(async () => {
    api = new FakeApi();
    env = { SKERRY_SERVER: await api.start(), SKERRY_API_KEY: "sk_test" };
    folder = await mkdtemp(join(tmpdir(), "skerry-cli-"));
    file = join(folder, "model.onnx");
    await writeFile(file, content);
    stored = Buffer.alloc(0);
    aliases = {};
    serveCatalog();
  });
  afterEach(async () => {
    await api.stop();
    await rm(folder, { recursive: true });
  });

  /** A server that keeps what arrived, as the real one does. `breakAfter`: cuts the first connection after so many bytes. */
  function serveCatalog(options: { breakAfter?: number; verdict?: "ready" | "rejected" } = {}): void {
    let hasBroken = false;
    let state: "uploading" | "checking" = "uploading";
    const version = () =>
      versionOf("digits", {
        state: state === "checking" ? (options.verdict ?? "ready") : state,
        reason: options.verdict === "rejected" ? "it is no ONNX file" : null,
      });
    api.on("GET /api/v1/models/digits", () => {});
    api.on("GET /api/v1/models/digits", (_: Asked, response: ServerResponse) =>
      json(response, 200, {
        name: "digits",
        labels: {},
        aliases,
        latestVersion: null,
        createdAt: new Date(0).toISOString(),
      }),
    );
    api.on("GET /api/v1/models/digits/versions", listOf());
    api.on("GET /api/v1/models/digits/versions/1", (_: Asked, response: ServerResponse) =>
      json(response, 200, version()),
    );
    api.on("POST /api/v1/models/digits/versions", (_: Asked, response: ServerResponse) =>
      json(response, 201, { version: version(), uploadUrl: "/api/v1/uploads/u1" }),
    );
    api.onStream(
      "PUT /api/v1/uploads/u1",
      async ({ path }: Asked, response: ServerResponse, request: IncomingMessage) => {
        const offset = Number(new URL(path, "http://x").searchParams.get("offset"));
        if (offset !== stored.length)
          return json(response, 409, { error: "wrong offset" }, { "Skerry-Error": "UPLOAD_OFFSET" });
        const pieces = [stored];
        let length = offset;
        for await (const piece of request as AsyncIterable<Buffer>) {
          pieces.push(piece);
          length += piece.length;
          if (hasBroken || options.breakAfter === undefined || length <= options.breakAfter) continue;
          hasBroken = true;
          request.destroy();
          break;
        }
        stored = Buffer.concat(pieces);
        if (!request.complete) return;
        json(response, 200, {}, { "Upload-Offset": String(stored.length) });
      },
    );
    api.on("HEAD /api/v1/uploads/u1", (_: Asked, response: ServerResponse) =>
      json(response, 200, undefined, { "Upload-Offset": String(stored.length) }),
    );
    api.on("POST /api/v1/uploads/u1/complete", (_: Asked, response: ServerResponse) => {
      state = "checking";
      json(response, 202, version());
    });
    api.on("PUT /api/v1/models/digits/aliases/champion", ({ body }: Asked, response: ServerResponse) => {
      aliases = { champion: JSON.parse(body.toString()).version };
      json(response, 200, { model: "digits", alias: "champion", version: 1 });
    });
  }

  it("arrive whole, are checked, and an alias names them", async () => {
    const { exitCode, stdout, stderr } = await cli(
      "models",
      "push",
      file,
      "--model",
      "digits",
      "--metric",
      "accuracy=0.97",
      "--alias",
      "champion",
    );
    expect([exitCode, stdout]).toEqual([0, "digits:1\n"]);
    expect(sha256(stored)).toBe(sha256(content));
    expect(stderr).toContain("digits:1 is ready.\nchampion names digits:1 now.\n");
    const declared = api.asked.find(({ method, path }) => method === "POST" && path.endsWith("/versions"));
    expect(JSON.parse(declared?.body.toString() ?? "")).toEqual({
      bytes: content.length,
      sha256: sha256(content),
      labels: {},
      metrics: { accuracy: 0.97 },
    });
    expect(api.asked.filter(({ method }) => method === "PUT").map(({ path }) => path)).toEqual([
      "/api/v1/uploads/u1?offset=0",
      `/api/v1/uploads/u1?offset=${8 * MIB}`,
      "/api/v1/models/digits/aliases/champion",
    ]);
  });

  it("continue where a broken connection stopped", async () => {
    serveCatalog({ breakAfter: 3 * MIB });
    const { exitCode, stderr } = await cli("models", "push", file, "--model", "digits", "--wait");
    expect(exitCode).toBe(0);
    expect(sha256(stored)).toBe(sha256(content));
    expect(stderr).toContain("the upload stopped at 0 bytes");
    const offsets = api.asked.filter(({ method }) => method === "PUT").map(({ path }) => Number(path.split("=")[1]));
    expect(offsets[1]).toBeGreaterThan(3 * MIB);
  });

  /** `digits:1` is published and has lost its bytes; what is sent to it is checked with this end. */
  function serveDamaged(isRepaired: boolean): void {
    const damage = "its file model.onnx is missing from the artifact store";
    let isComplete = false;
    const version = () =>
      versionOf("digits", { digest: `sha256:${sha256(content)}`, damage: isComplete && isRepaired ? null : damage });
    api.on("GET /api/v1/models/digits/versions", (_: Asked, response: ServerResponse) =>
      json(response, 200, listOf(version())),
    );
    api.on("GET /api/v1/models/digits/versions/1", (_: Asked, response: ServerResponse) =>
      json(response, 200, version()),
    );
    api.problem("GET /api/v1/models/digits/versions/1/upload", 409, "CONFLICT", "there is no upload");
    api.on("POST /api/v1/models/digits/versions", (_: Asked, response: ServerResponse) =>
      json(response, 200, { version: version(), uploadUrl: "/api/v1/uploads/u1" }),
    );
    api.on("POST /api/v1/uploads/u1/complete", (_: Asked, response: ServerResponse) => {
      isComplete = true;
      json(response, 202, version());
    });
  }

  it("are sent again for a version that has lost them, and make no other one", async () => {
    serveDamaged(true);
    const { exitCode, stdout, stderr } = await cli("models", "push", file, "--model", "digits", "--wait");
    expect([exitCode, stdout]).toEqual([0, "digits:1\n"]);
    expect(sha256(stored)).toBe(sha256(content));
    expect(stderr).toContain("digits:1 has the same bytes, and its file model.onnx is missing");
    expect(stderr).toContain(`Uploaded ${file} to repair digits:1`);
  });

  it("that do not repair their version are an error with where to look", async () => {
    serveDamaged(false);
    const { exitCode, stderr } = await cli("models", "push", file, "--model", "digits", "--wait");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("error: digits:1 was not repaired\n  why      its file model.onnx is missing");
    expect(stderr).toContain("skerry events --object model/digits");
  });

  it("that are rejected are an error with the reason", async () => {
    serveCatalog({ verdict: "rejected" });
    const { exitCode, stderr } = await cli("models", "push", file, "--model", "digits", "--wait");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("error: digits:1 was rejected\n  why      it is no ONNX file");
  });

  it("are not sent twice", async () => {
    api.on("GET /api/v1/models/digits/versions", listOf(versionOf("digits", { digest: `sha256:${sha256(content)}` })));
    api.on("GET /api/v1/models/digits/versions/1", versionOf("digits"));
    const { exitCode, stderr } = await cli("models", "push", file, "--model", "digits");
    expect([exitCode, api.asked.some(({ method }) => method === "PUT")]).toEqual([0, false]);
    expect(stderr).toContain("nothing was sent");
  });

  it("are sent from where an earlier push of the same version was cut off", async () => {
    stored = content.subarray(0, 5 * MIB);
    const digest = `sha256:${sha256(content)}`;
    const begun = versionOf("digits", { state: "uploading", digest, bytes: content.length, metrics: { accuracy: 1 } });
    api.on("GET /api/v1/models/digits/versions", listOf(begun));
    api.on("GET /api/v1/models/digits/versions/1/upload", {
      uploadUrl: "/api/v1/uploads/u1",
      uploads: [{ path: "model.onnx", bytes: content.length, uploadUrl: "/api/v1/uploads/u1", offset: stored.length }],
    });
    const push = ["models", "push", file, "--model", "digits"];
    const { exitCode, stderr } = await cli(...push, "--metric", "accuracy=1");
    expect(exitCode).toBe(0);
    expect(stderr).toContain("digits:1 was begun before: 5.0 MiB of 9.0 MiB are there, the rest is sent.");
    expect(sha256(stored)).toBe(sha256(content));
    const asked = api.asked.filter(({ method }) => method === "PUT" || method === "POST").map(({ path }) => path);
    expect(asked).toEqual([`/api/v1/uploads/u1?offset=${5 * MIB}`, "/api/v1/uploads/u1/complete"]);

    await cli(...push, "--metric", "accuracy=0.5");
    expect(api.asked.filter(({ method, path }) => method === "POST" && path.endsWith("/versions"))).toHaveLength(1);
  });

  it("that cannot be read are named", async () => {
    expect((await cli("models", "push", join(folder, "none.onnx"), "--model", "digits")).stderr).toContain(
      "there is no such file",
    );
    await writeFile(file, "");
    expect((await cli("models", "push", file, "--model", "digits")).stderr).toContain("is empty");
    expect((await cli("models", "push", folder, "--model", "digits")).stderr).toContain("model.onnx is empty");
  });

  it("are never sent to another server than the one that was asked", async () => {
    api.on("POST /api/v1/models/digits/versions", {
      version: versionOf("digits"),
      uploadUrl: "https://evil.example/u1",
    });
    const { exitCode, stderr } = await cli("models", "push", file, "--model", "digits");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("the server wants the upload at https://evil.example");
  });

  describe("pulled", () => {
    const small = Buffer.from("onnx");

    beforeEach(() => {
      api.on("GET /api/v1/models/digits/versions/1/artifact", (_: Asked, response: ServerResponse) =>
        response.end(small),
      );
    });

    it("take their name when their digest is right", async () => {
      api.on(
        "GET /api/v1/models/digits/versions/1",
        versionOf("digits", { bytes: 4, files: [{ path: "model.onnx", bytes: 4, sha256: sha256(small) }] }),
      );
      const to = join(folder, "pulled.onnx");
      expect((await cli("models", "pull", "digits:1", "--to", to)).exitCode).toBe(0);
      expect(await readFile(to, "utf8")).toBe("onnx");
    });

    it("of several files go into a folder, each by its path, and never out of it", async () => {
      const files = ["net.onnx", "more/net.data"].map((path) => ({ path, bytes: 4, sha256: sha256(small) }));
      api.on("GET /api/v1/models/digits/versions/1", versionOf("digits", { files, main: "net.onnx", bytes: 8 }));
      const to = join(folder, "pulled");
      expect((await cli("models", "pull", "digits:1", "--to", to)).exitCode).toBe(0);
      expect(await readFile(join(to, "net.onnx"), "utf8")).toBe("onnx");
      expect(await readFile(join(to, "more/net.data"), "utf8")).toBe("onnx");
      expect((await cli("models", "pull", "digits:1", "--to", "-")).stderr).toContain("has 2 files");
      const outside = [...files, { path: "../escaped", bytes: 4, sha256: sha256(small) }];
      api.on("GET /api/v1/models/digits/versions/1", versionOf("digits", { files: outside, main: "net.onnx" }));
      expect((await cli("models", "pull", "digits:1", "--to", to)).stderr).toContain("the path leaves the bundle (..)");
      expect((await readdir(folder)).toSorted()).toEqual(["model.onnx", "pulled"]);
    });

    it("leave nothing behind when their digest is wrong", async () => {
      api.on("GET /api/v1/models/digits/versions/1", versionOf("digits"));
      const { exitCode, stderr } = await cli("models", "pull", "digits:1", "--to", join(folder, "pulled.onnx"));
      expect(exitCode).toBe(1);
      expect(stderr).toContain(`received sha256:${sha256(small)}`);
      expect(await readdir(folder)).toEqual(["model.onnx"]);
    });
  });
});
