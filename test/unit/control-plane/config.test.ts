import { describe, expect, it } from "@jest/globals";
import { readConfig } from "../../../control-plane/config.ts";

const read = (env: NodeJS.ProcessEnv) => readConfig({ DATABASE_URL: "postgresql://db", ...env });
const ACCOUNTS = { SKERRY_POD_SERVICE_ACCOUNTS: "skerry/skerry-node" };

describe("the setting of cloud pools", () => {
  it("names Deployments of Kubernetes, or processes", () => {
    const pools = "default=skerry/skerry-node:2-8, spot=skerry/skerry-node-spot:0-16";
    expect(read({ ...ACCOUNTS, SKERRY_CLOUD_POOLS: pools }).cloudPools).toEqual([
      { name: "default", min: 2, max: 8, kubernetes: { namespace: "skerry", deployment: "skerry-node" } },
      { name: "spot", min: 0, max: 16, kubernetes: { namespace: "skerry", deployment: "skerry-node-spot" } },
    ]);
    expect(read({ SKERRY_CLOUD_POOLS: "local=process:0-3" }).cloudPools).toEqual([
      { name: "local", min: 0, max: 3, kubernetes: undefined },
    ]);
    expect(read({}).cloudPools).toEqual([]);
  });

  it.each([
    ["a form that it does not have", { SKERRY_CLOUD_POOLS: "default=skerry-node" }, "is not NAME="],
    ["a maximum below the minimum", { ...ACCOUNTS, SKERRY_CLOUD_POOLS: "a=n/d:3-2" }, "maximum below its minimum"],
    [
      "one Deployment for two",
      { ...ACCOUNTS, SKERRY_CLOUD_POOLS: "a=skerry/d:0-2,b=skerry/d:1-3" },
      "two pools scale skerry/d",
    ],
    [
      "pods of another namespace",
      { ...ACCOUNTS, SKERRY_CLOUD_POOLS: "a=skerry/d:0-2,b=spot/d:0-2" },
      "the pods of b cannot join: SKERRY_POD_SERVICE_ACCOUNTS names none of spot",
    ],
    ["one name for two", { ...ACCOUNTS, SKERRY_CLOUD_POOLS: "a=n/d:0-2,a=n/e:0-2" }, "the same name"],
    ["pods that nobody lets in", { SKERRY_CLOUD_POOLS: "a=n/d:0-2" }, "SKERRY_POD_SERVICE_ACCOUNTS, which is not set"],
    ["processes beside a cluster", { ...ACCOUNTS, SKERRY_CLOUD_POOLS: "a=process:0-2" }, "is alone"],
    ["processes and no known port", { SKERRY_PORT: "0", SKERRY_CLOUD_POOLS: "a=process:0-2" }, "is not 0"],
  ])("is refused with %s", (_, env, complaint) => {
    expect(() => read(env)).toThrow(complaint);
  });
});

describe("the setting of TLS", () => {
  const FILES = { SKERRY_TLS_CERT: "tls.crt", SKERRY_TLS_KEY: "tls.key" };

  it("is off on loopback unless something is said", () => {
    for (const host of ["127.0.0.1", "::1", "localhost"])
      expect(read({ SKERRY_HOST: host })).toMatchObject({
        tls: { mode: "off" },
        publicUrl: host === "::1" ? "http://[::1]:7070" : `http://${host}:7070`,
      });
    expect(read({ SKERRY_TLS: "own" })).toMatchObject({
      tls: { mode: "own" },
      publicUrl: "https://127.0.0.1:7070",
      peerUrl: "wss://127.0.0.1:7070",
    });
    expect(read({ SKERRY_HOST: "::1", ...FILES })).toMatchObject({
      tls: { mode: "files", certFile: "tls.crt", keyFile: "tls.key" },
      publicUrl: "https://[::1]:7070",
    });
  });

  it("has to be said where others can reach it", () => {
    for (const host of ["0.0.0.0", "::", "10.0.0.7", "cp.example"]) {
      expect(() => read({ SKERRY_HOST: host })).toThrow(`others can reach ${host}, and nothing is said of TLS`);
      for (const said of [{ SKERRY_TLS: "off" }, { SKERRY_TLS: "own" }, FILES])
        expect(() => read({ SKERRY_HOST: host, ...said })).not.toThrow();
    }
  });

  it.each([
    ["half of the files", { SKERRY_TLS_CERT: "tls.crt" }, "belong together"],
    ["files and something else", { ...FILES, SKERRY_TLS: "own" }, "it is own, and SKERRY_TLS_CERT names"],
    ["two authorities", { SKERRY_TLS: "own", SKERRY_TLS_CA: "ca.pem" }, "it is own, and SKERRY_TLS_CA names"],
    ["a word that it does not know", { SKERRY_TLS: "on" }, "SKERRY_TLS"],
  ])("is refused with %s", (_, env, complaint) => {
    expect(() => read(env)).toThrow(complaint);
  });
});

describe("the setting of the object store", () => {
  const KEYS = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret" };

  it("is none, and model files are in the folder", () => {
    expect(read({ ...KEYS, AWS_REGION: "eu-central-1" }).objectStore).toBeUndefined();
  });

  it("is none of what variables of AWS say to other programs, and an empty one says nothing", () => {
    expect(read({ AWS_ENDPOINT_URL: "localstack", AWS_ACCESS_KEY_ID: "" }).objectStore).toBeUndefined();
    const empty = { AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "", AWS_ENDPOINT_URL_S3: "", AWS_REGION: "" };
    expect(read({ ...empty, SKERRY_OBJECT_STORE: "s3://models" }).objectStore).toEqual({
      bucket: "models",
      prefix: "",
      endpoint: undefined,
      region: undefined,
    });
  });

  it("names a bucket and a prefix in it", () => {
    const at = (store: string) => read({ SKERRY_OBJECT_STORE: store, AWS_REGION: "eu-central-1" }).objectStore;
    const aws = { endpoint: undefined, region: "eu-central-1" };
    expect(at("s3://models")).toEqual({ bucket: "models", prefix: "", ...aws });
    expect(at("s3://models/")).toEqual({ bucket: "models", prefix: "", ...aws });
    expect(at("s3://our.models/a/b_c")).toEqual({ bucket: "our.models", prefix: "a/b_c/", ...aws });
  });

  it("is at an address that is not of AWS, by the more special of two variables", () => {
    const store = { SKERRY_OBJECT_STORE: "s3://models", AWS_ENDPOINT_URL: "http://all:9000/" };
    expect(read(store).objectStore).toMatchObject({ endpoint: "http://all:9000", region: "us-east-1" });
    expect(read({ ...store, AWS_ENDPOINT_URL_S3: "https://s3:9000" }).objectStore?.endpoint).toBe("https://s3:9000");
  });

  it.each(["models", "https://models", "s3://", "s3://M", "s3://models//x", "s3://models/a b", "s3://models/?x=1"])(
    "is refused as %s",
    (store) => expect(() => read({ SKERRY_OBJECT_STORE: store })).toThrow("SKERRY_OBJECT_STORE: not s3://BUCKET"),
  );

  it("is refused with half of the credentials, whose other half is not shown", () => {
    const half = { SKERRY_OBJECT_STORE: "s3://models", AWS_SECRET_ACCESS_KEY: "never-to-be-seen" };
    expect(() => read(half)).toThrow("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together");
    expect(() => read(half)).not.toThrow("never-to-be-seen");
  });

  it("is refused together with all else that is wrong", () => {
    const wrong = { SKERRY_OBJECT_STORE: "models", AWS_ENDPOINT_URL: "minio", AWS_REGION: "a b", SKERRY_PORT: "x" };
    for (const name of Object.keys(wrong)) expect(() => read(wrong)).toThrow(`${name}: `);
    const both = { SKERRY_OBJECT_STORE: "s3://m-1", AWS_ACCESS_KEY_ID: "id", SKERRY_CLOUD_POOLS: "a=n/d:0-2" };
    expect(() => read(both)).toThrow(/SKERRY_CLOUD_POOLS: [^]*SKERRY_OBJECT_STORE: /);
  });
});

describe("the URL of the database", () => {
  it.each(["DATABASE_URL", "SKERRY_MIGRATION_URL"])(
    "is refused as %s without a word of it, when its password breaks it",
    (setting) => {
      const refused = (() => {
        try {
          return read({ [setting]: "postgresql://skerry:hunter2#hunter@db.example/skerry" });
        } catch (error) {
          return error;
        }
      })();
      expect(String(refused)).toContain(`${setting}: this is no postgresql:// URL`);
      expect(JSON.stringify(refused, Object.getOwnPropertyNames(refused))).not.toContain("hunter");
    },
  );
});
