import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { LocalKeys } from "../../../../edge-node/adapters/http/local-keys.ts";
import type { Endpoint } from "../../../../shared/api/v1/inference.ts";
import { runCli } from "../../../unit/cli/support/run-cli.ts";
import { FakeApi } from "../support/fake-api.ts";
import { listOf } from "../support/objects.ts";

const endpointAt = (node: string, change: Partial<Endpoint> = {}): Endpoint => ({
  node,
  kind: "edge",
  site: "harbour",
  version: 3,
  state: "ready",
  nodeState: "ready",
  url: `http://10.0.0.7:7090/v2/models/digits/infer`,
  reach: "network",
  key: "node",
  ...change,
});

describe("skerry deployments endpoints", () => {
  let api: FakeApi;
  let env: NodeJS.ProcessEnv;
  beforeEach(async () => {
    api = new FakeApi();
    env = { SKERRY_SERVER: await api.start(), SKERRY_API_KEY: "sk_test" };
  });
  afterEach(() => api.stop());

  it("shows where a caller may go, and whose key it needs there", async () => {
    const here = { reach: "machine", key: "none", url: "http://127.0.0.1:7081/v2/models/digits/infer" } as const;
    api.on("GET /api/v1/deployments/digits/endpoints", listOf(endpointAt("edge-a"), endpointAt("edge-b", here)));
    const { exitCode, stdout } = await runCli(["deployments", "endpoints", "digits", "-l", "site=harbour"], { env });
    expect(exitCode).toBe(0);
    expect(stdout).toBe(
      [
        "NODE    KIND  SITE     VERSION  STATE  REACH              KEY             URL",
        "edge-a  edge  harbour        3  ready  network            the node's own  http://10.0.0.7:7090/v2/models/digits/infer",
        "edge-b  edge  harbour        3  ready  that machine only  none            http://127.0.0.1:7081/v2/models/digits/infer",
        "",
      ].join("\n"),
    );
    expect(api.asked[0]?.path).toContain("labelSelector=site%3Dharbour");
  });

  it("prints addresses alone for a script", async () => {
    api.on("GET /api/v1/deployments/digits/endpoints", listOf(endpointAt("edge-a")));
    const { stdout } = await runCli(["deployments", "endpoints", "digits", "-o", "name"], { env });
    expect(stdout).toBe("http://10.0.0.7:7090/v2/models/digits/infer\n");
  });
});

describe("skerry keys local", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), "skerry-keys-"));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it("makes keys that the node takes, and keeps only their hashes", async () => {
    const make = (...more: string[]) => runCli(["keys", "local", "callers.keys", ...more], { cwd: directory });
    const first = (await make("--note", "till at\ndock 7")).stdout.trim();
    const second = (await make()).stdout.trim();
    const file = path.join(directory, "callers.keys");
    const text = await readFile(file, "utf8");
    expect([text.includes(first), text.includes(second)]).toEqual([false, false]);
    expect(text).toMatch(/^[0-9a-f]{64} {2}# till at dock 7\n[0-9a-f]{64}\n$/);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const keys = await LocalKeys.open(file);
    expect(await Promise.all([first, second, `${first}x`].map((key) => keys.has(key)))).toEqual([true, true, false]);
  });
});
