import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readConsole } from "../../../../control-plane/adapters/http/web-console/console-files.ts";
import { openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

let folder: string;
let api: OpenHttpApi;
const asset = "/assets/main-abc123.js";

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "skerry-console-"));
  await mkdir(path.join(folder, "assets"));
  await writeFile(path.join(folder, "index.html"), "<!doctype html>");
  for (const [suffix, text] of [
    ["", "plain"],
    [".br", "brotli"],
    [".gz", "gzip"],
  ])
    await writeFile(path.join(folder, `${asset}${suffix}`), text ?? "");
  await writeFile(path.join(folder, "sources.sha256"), "not to be served");
  api = await openHttpApi({ console: await readConsole(folder) });
});
afterAll(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

describe("the web console", () => {
  it.each(["/", "/nodes", "/nodes/edge-a", "/deployments/digits?q=x"])("is its document at %s", async (page) => {
    const { status, headers, bytes } = await api.call("GET", page);
    expect([status, headers["content-type"], bytes.toString()]).toEqual([
      200,
      "text/html; charset=utf-8",
      "<!doctype html>",
    ]);
  });

  it("allows its document nothing of another origin, and no page around it", async () => {
    const { headers } = await api.call("GET", "/");
    const policy = String(headers["content-security-policy"]);
    expect(policy.split("; ")).toContain("default-src 'none'");
    expect(policy.split("; ")).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/https?:|unsafe|\*|data:/);
    expect(headers).toMatchObject({ "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" });
  });

  it("has its document looked for anew each time, and sent only when it has changed", async () => {
    const { headers } = await api.call("GET", "/");
    expect(headers["cache-control"]).toBe("no-cache");
    const again = await api.call("GET", "/", { headers: { "If-None-Match": String(headers.etag) } });
    expect([again.status, again.bytes.length]).toEqual([304, 0]);
  });

  it.each([
    ["br, gzip", "brotli", "br"],
    ["gzip", "gzip", "gzip"],
    ["br;q=0, gzip;q=1", "gzip", "gzip"],
    ["identity", "plain", undefined],
  ])("sends a file to a reader of `%s` as %s", async (accepted, text, encoding) => {
    const { status, headers, bytes } = await api.call("GET", asset, { headers: { "Accept-Encoding": accepted } });
    expect([status, bytes.toString(), headers["content-encoding"]]).toEqual([200, text, encoding]);
    expect(headers).toMatchObject({ "cache-control": "public, max-age=31536000, immutable", vary: "Accept-Encoding" });
  });

  it("answers HEAD without a body", async () => {
    const { status, headers, bytes } = await api.call("HEAD", asset);
    expect([status, headers["content-length"], bytes.length]).toEqual([200, "5", 0]);
  });

  it.each(["/assets/other.js", "/assets/../sources.sha256", "/sources.sha256", "/nothing"])(
    "has nothing at %s",
    async (page) => {
      expect((await api.call("GET", page)).status).toBe(404);
    },
  );

  it("leaves the API's addresses and other methods alone", async () => {
    expect((await api.call("GET", "/api/v1/nodes", { key: api.keyOf.viewer })).body.items).toHaveLength(2);
    expect((await api.call("POST", "/nodes")).status).toBe(404);
  });

  it("says how it is built when it was not", async () => {
    const without = await openHttpApi();
    const { status, bytes } = await without.call("GET", "/");
    await without.close();
    expect(status).toBe(404);
    expect(bytes.toString()).toContain("npm run build:console");
  });

  it("is none in a folder without its document", async () => {
    expect(await readConsole(path.join(folder, "assets"))).toBeUndefined();
    expect(await readConsole(path.join(folder, "missing"))).toBeUndefined();
  });
});
