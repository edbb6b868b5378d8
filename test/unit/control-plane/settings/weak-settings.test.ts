import { describe, expect, it } from "@jest/globals";
import { readConfig } from "../../../../control-plane/config.ts";
import { weakFacts, weakSettings, type StartFacts } from "../../../../control-plane/settings/weak-settings.ts";

const GOOD = {
  DATABASE_URL: "postgresql://skerry:c29tZSByYW5kb20gdGV4dA@db.example:5432/skerry?sslmode=verify-full",
  SKERRY_HOST: "0.0.0.0",
  SKERRY_TLS: "own",
};

function weak(env: NodeJS.ProcessEnv = {}, over: Partial<StartFacts> = {}): string {
  const given = { ...GOOD, ...env };
  return weakSettings({ config: readConfig(given), env: given, execArgv: [], uid: 1_000, ...over }).join("\n");
}

describe("the settings of production", () => {
  it("may be good", () => {
    expect(weak()).toBe("");
    expect(weak({ SKERRY_HOST: "127.0.0.1", SKERRY_TLS: "off" })).toBe("");
    expect(weak({ SKERRY_TLS: "off", SKERRY_PUBLIC_URL: "https://skerry.example" })).toBe("");
    expect(weak({ DATABASE_URL: "postgresql://skerry@127.0.0.1/skerry", PGPASSWORD: "c29tZSByYW5kb20gdGV4dA" })).toBe(
      "",
    );
    const socket = { DATABASE_URL: "postgresql:///skerry?host=/run/postgresql", PGPASSWORD: "c29tZSByYW5kb20gdGV4dA" };
    expect(weak({ ...socket, PGHOST: "db.example" })).toBe("");
    expect(weak({ DATABASE_URL: "postgresql://skerry@[::1]/skerry", PGPASSFILE: "/run/secrets/pgpass" })).toBe("");
  });

  it("may name an object store and other control planes by TLS, or on this machine", () => {
    const store = { SKERRY_OBJECT_STORE: "s3://models" };
    expect(weak(store)).toBe("");
    expect(weak({ ...store, AWS_ENDPOINT_URL_S3: "https://store.example:9000" })).toBe("");
    expect(weak({ ...store, AWS_ENDPOINT_URL_S3: "http://127.0.0.1:9000" })).toBe("");
    expect(weak({ SKERRY_PEER_URL: "wss://10.0.0.7:7070" })).toBe("");
  });

  it.each([
    ["no password", { DATABASE_URL: "postgresql://skerry@127.0.0.1/skerry" }, "has no password"],
    ["a usual password", { DATABASE_URL: "postgresql://skerry:Postgres@127.0.0.1/skerry" }, "usual one"],
    ["a short password", { DATABASE_URL: "postgresql://skerry:a1b2c3d4@127.0.0.1/skerry" }, "fewer than 16"],
    ["a database without TLS", { DATABASE_URL: GOOD.DATABASE_URL.split("?")[0] }, "db.example is asked without TLS"],
    [
      "a database with TLS turned off",
      { DATABASE_URL: GOOD.DATABASE_URL.replace("verify-full", "disable") },
      "without TLS",
    ],
    [
      "a database without TLS that a parameter names",
      { DATABASE_URL: "postgresql://skerry:c29tZSByYW5kb20gdGV4dA@127.0.0.1/skerry?host=db.example" },
      "db.example is asked without TLS",
    ],
    [
      "a database without TLS that the environment names",
      { DATABASE_URL: "postgresql:///skerry", PGPASSWORD: "c29tZSByYW5kb20gdGV4dA", PGHOST: "db.example" },
      "db.example is asked without TLS",
    ],
    ["plain text for others", { SKERRY_TLS: "off" }, "SKERRY_TLS: others can reach 0.0.0.0 in plain text"],
    ["the secret of an example", { AWS_SECRET_ACCESS_KEY: "minioadmin" }, "AWS_SECRET_ACCESS_KEY"],
    [
      "other control planes reached in plain text",
      { SKERRY_TLS: "off", SKERRY_PUBLIC_URL: "https://skerry.example", SKERRY_PEER_URL: "ws://10.0.0.7:7070" },
      "SKERRY_PEER_URL: other control planes send",
    ],
    [
      "an object store reached in plain text",
      { SKERRY_OBJECT_STORE: "s3://models", AWS_ENDPOINT_URL: "http://store.example:9000" },
      "model files travel from and to the object store in plain text",
    ],
    ["pages of every origin", { SKERRY_CORS_ORIGINS: "*" }, "SKERRY_CORS_ORIGINS"],
    ["certificates that nobody verifies", { NODE_TLS_REJECT_UNAUTHORIZED: "0" }, "no certificate is verified"],
    ["an inspector", { NODE_OPTIONS: "--max-old-space-size=512 --inspect=0.0.0.0" }, "--inspect"],
  ])("are refused with %s", (_, env, line) => {
    expect(weak(env)).toContain(line);
    expect(weak(env).split("\n")).toHaveLength(1);
  });

  it("are refused for root and for an inspector of the command line", () => {
    expect(weak({}, { uid: 0 })).toContain("runs as root");
    expect(weak({}, { execArgv: ["--inspect-brk"] })).toContain("--inspect");
    expect(weak({}, { uid: undefined })).toBe("");
  });

  it("are all listed at once, and no secret is", () => {
    const env = {
      DATABASE_URL: "postgresql://skerry:hunter2hunter@db.example/skerry",
      SKERRY_TLS: "off",
      NODE_TLS_REJECT_UNAUTHORIZED: "0",
      AWS_SECRET_ACCESS_KEY: "changeme",
    };
    const lines = weak(env, { uid: 0 });
    expect(lines.split("\n")).toHaveLength(6);
    for (const secret of ["hunter2hunter", "changeme"]) expect(lines).not.toContain(secret);
  });

  it("are refused when the clocks differ by more than 5 minutes, and while the first key is left", () => {
    expect(weakFacts({ clockAheadMs: 299_000, firstKeyLeft: undefined })).toEqual([]);
    expect(weakFacts({ clockAheadMs: 86_400_000, firstKeyLeft: undefined }).join()).toContain("1440 minutes ahead of");
    expect(weakFacts({ clockAheadMs: -301_000, firstKeyLeft: undefined }).join()).toContain("5 minutes behind");
    expect(weakFacts({ clockAheadMs: 0, firstKeyLeft: "0f3a9c2b71de" }).join()).toContain(
      "skerry keys rm 0f3a9c2b71de",
    );
  });
});
