import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { createHash } from "node:crypto";
import { HostPolicy } from "../../../../edge-node/adapters/http/host-policy.ts";
import { readConfig } from "../../../../edge-node/config.ts";
import { LocalApiRig, pair } from "../support/local-api-rig.ts";

const rig = new LocalApiRig();
const { call, infer } = rig;
beforeAll(() => rig.startHosts());
afterAll(() => rig.stopHosts());
afterEach(() => rig.close());

/** A page of this name, whose name was pointed at this machine after it had been loaded. */
const rebound = { host: "evil.example:7090" };
const PAGE = ["/", "/page.css", "/page.js", "/page.svg", "/status.json"];
const PROBES = ["/livez", "/readyz", "/v2", "/v2/health/live", "/v2/health/ready"];
const WITHOUT_KEYS = ["/metrics", "/streams", "/v2/models", "/v2/models/same", "/v1/models"];
const statuses = (paths: readonly string[], headers: Record<string, string>): Promise<number[]> =>
  Promise.all(paths.map(async (path) => (await call(path, { headers })).status));
const all = (paths: readonly string[], status: number): number[] => paths.map(() => status);

describe("a node that is asked by a name that it is not known by", () => {
  beforeEach(() => rig.open());

  it("refuses its page, its state and, as no key is needed, all that says something of it", async () => {
    const paths = [...PAGE, ...WITHOUT_KEYS];
    expect(await statuses(paths, rebound)).toEqual(all(paths, 403));
    const { headers, json } = await call("/status.json", { headers: rebound });
    expect([headers["skerry-error"], JSON.stringify(json)]).toEqual([
      "HOST_REFUSED",
      expect.stringContaining("SKERRY_LOCAL_NAMES"),
    ]);
    expect((await infer(pair, rebound)).status).toBe(403);
  });

  it("answers probes, which say nothing of its models", async () => {
    expect(await statuses(PROBES, rebound)).toEqual(all(PROBES, 200));
  });

  it.each([
    "127.0.0.1:7090",
    "localhost:7090",
    "LOCALHOST",
    "edge.localhost",
    "[::1]:7090",
    "10.0.0.7",
    "dock-7.example:80",
    "dock-7.example.",
  ])("answers those who ask by %s", async (host) => {
    expect((await call("/status.json", { headers: { host } })).status).toBe(200);
    expect((await infer(pair, { host })).status).toBe(200);
  });

  it.each(["127.0.0.1.evil.example", "localhost.evil.example", "dock-7.example.evil.example", "1.2.3", "[::1"])(
    "is not taken in by %j",
    async (host) => {
      expect((await call("/status.json", { headers: { host } })).status).toBe(403);
    },
  );
});

describe("a node that asks for keys", () => {
  it("serves programs by any name, and its page and state by its own alone", async () => {
    const [id, secret] = ["0123456789ab", "s".repeat(43)];
    const hash = createHash("sha256").update(secret).digest("hex");
    const known = { id, hash, role: "operator", models: null, expiresAt: null } as const;
    await rig.open({}, undefined, { apiKeys: { find: () => known } });
    const asked = { ...rebound, authorization: `Bearer sk_${id}_${secret}` };
    expect(await statuses(PAGE, asked)).toEqual(all(PAGE, 403));
    expect(await statuses(WITHOUT_KEYS, asked)).toEqual(all(WITHOUT_KEYS, 200));
    expect((await infer(pair, asked)).status).toBe(200);
    expect((await infer(pair, rebound)).status).toBe(401);
  });
});

describe("the names of a node", () => {
  beforeEach(() => rig.open());
  const checks = (settings: Record<string, string>, host: string) => () =>
    new HostPolicy(readConfig(settings).localNames).check(host);

  it("are those of its settings, and any where they say so", () => {
    expect(checks({ SKERRY_LOCAL_NAMES: "dock-7, edge.example" }, "Edge.Example:7090")).not.toThrow();
    expect(checks({ SKERRY_LOCAL_URL: "https://dock-7.example/" }, "dock-7.example")).not.toThrow();
    expect(checks({ SKERRY_LOCAL_HOST: "dock-8.example" }, "dock-8.example:1")).not.toThrow();
    expect(checks({}, "dock-7.example")).toThrow("SKERRY_LOCAL_NAMES");
    expect(checks({ SKERRY_LOCAL_NAMES: "*" }, "anything.example")).not.toThrow();
  });

  it("are names, without scheme and port", () => {
    for (const names of ["http://dock-7", "dock-7:7090", "a b"])
      expect(() => readConfig({ SKERRY_LOCAL_NAMES: names })).toThrow("SKERRY_LOCAL_NAMES");
  });
});
