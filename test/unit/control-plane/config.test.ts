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
