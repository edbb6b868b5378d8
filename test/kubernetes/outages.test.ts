import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { KubernetesApi } from "../../control-plane/adapters/kubernetes/api-client.ts";
import { until } from "../support/processes/skerry-process.ts";
import { DeclaredSkerry, type Shown } from "./support/declared-skerry.ts";
import { apiOf } from "./support/kubernetes.ts";

const NAMES = ["changed", "still-a", "still-b"];
const STILL = NAMES.slice(1);
const KIND = '"kind":"ModelDeployment"';
const AWAY = "cannot be watched now";

let skerry: DeclaredSkerry;

beforeAll(async () => {
  skerry = await DeclaredSkerry.start();
  for (const name of NAMES) await skerry.apply(name, { model: "digits", version: 1, placement: {} });
  for (const name of NAMES) await skerry.whenReady(`mdep/${name}`);
}, 180_000);

afterAll(async () => {
  await skerry?.stop();
}, 60_000);

let turn = 0;
/** Changes the one object that is changed here. */
const change = (): Promise<string> => {
  turn += 1;
  return skerry.kubectl(["patch", "mdep/changed", "--type=merge", "-p", `{"spec":{"slo":{"p95Ms":${100 + turn}}}}`]);
};
const whenCarriedOut = async (): Promise<void> => {
  await until(
    "it is carried out",
    async () => (await skerry.deployed("changed"))?.spec.slo?.p95Ms === 100 + turn,
    60_000,
  );
  await skerry.whenObserved("changed");
};
const metadataOf = (names: readonly string[]): Promise<readonly Shown["metadata"][]> =>
  Promise.all(names.map(async (name) => (await skerry.show(name)).metadata));

describe("custom resources after an outage", () => {
  it("of a flooded API server are carried out, and it was asked no more often than it asked for", async () => {
    const { proxy } = skerry;
    const before = await metadataOf(STILL);
    const from = proxy.seen.length;
    const said = skerry.logged(KIND, AWAY).length;
    const startedAt = performance.now();
    proxy.flood(1);
    await change();
    const refused = (): number => proxy.seen.slice(from).filter(({ isRefused }) => isRefused).length;
    await until("it was asked for a while", () => refused() >= 5, 60_000);
    proxy.calm();
    // Four kinds are watched: what was under way when the first answer came may have been asked beside it.
    expect(refused()).toBeLessThanOrEqual(4 * (1 + (performance.now() - startedAt) / 1_000));
    await whenCarriedOut();
    expect(await metadataOf(STILL)).toEqual(before);
    for (const name of STILL) expect(proxy.writesOf(name, from)).toEqual([]);
    expect(skerry.logged(KIND, AWAY)).toHaveLength(said + 1);
  }, 120_000);

  it("of a watch that ended in good order are carried out without a new list", async () => {
    const { proxy } = skerry;
    const from = proxy.seen.length;
    const said = skerry.logged(AWAY).length;
    proxy.endWatches();
    await change();
    await whenCarriedOut();
    expect(proxy.listsOf("modeldeployments", from)).toEqual([]);
    expect(skerry.logged(AWAY)).toHaveLength(said);
  }, 120_000);

  it("of a watch whose version etcd has compacted away are carried out after a new list, and the rest is left alone", async () => {
    const { proxy, kubernetes } = skerry;
    const before = await metadataOf(STILL);
    const said = skerry.logged(AWAY).length;
    proxy.holdsWatches = true;
    await kubernetes.killApiServer();
    kubernetes.startApiServer();
    await skerry.whenApiServes();
    const from = proxy.seen.length;
    await change();
    await kubernetes.compactEtcd();
    // Another one, because this one still has in memory what etcd has forgotten.
    await kubernetes.killApiServer();
    kubernetes.startApiServer();
    await skerry.whenApiServes();
    expect(proxy.listsOf("modeldeployments", from)).toEqual([]);
    proxy.holdsWatches = false;
    proxy.endWatches();
    await whenCarriedOut();
    expect(proxy.listsOf("modeldeployments", from)).toHaveLength(1);
    expect(await metadataOf(STILL)).toEqual(before);
    for (const name of STILL) expect(proxy.writesOf(name, from)).toEqual([]);
    expect(skerry.logged(AWAY)).toHaveLength(said);
  }, 180_000);

  it("of a killed API server are carried out, and the rest is listed and left alone", async () => {
    const { proxy, kubernetes } = skerry;
    const before = await metadataOf(STILL);
    const from = proxy.seen.length;
    const said = skerry.logged(KIND, AWAY).length;
    await kubernetes.killApiServer();
    await until("it is noticed", () => skerry.logged(KIND, AWAY).length > said);
    kubernetes.startApiServer();
    await skerry.whenApiServes();
    await change();
    await whenCarriedOut();
    expect(await metadataOf(STILL)).toEqual(before);
    for (const name of STILL) expect(proxy.writesOf(name, from)).toEqual([]);
    expect(skerry.logged(KIND, AWAY)).toHaveLength(said + 1);
  }, 120_000);
});

describe("the client", () => {
  it("leaves an API server alone that asked for a pause, whatever is asked of it", async () => {
    const { proxy, kubernetes } = skerry;
    const token = await kubernetes.tokenOf("default/default");
    const api: KubernetesApi = apiOf(proxy.url, token);
    const ask = (method: "GET" | "POST"): Promise<unknown> =>
      api.call(method, "/version", method === "POST" ? {} : undefined).then(
        () => "answered",
        (error: unknown) => error,
      );
    proxy.flood(30);
    const from = proxy.seen.length;
    expect(await ask("GET")).toMatchObject({ code: "CLUSTER_UNAVAILABLE", retryAfterMs: 30_000 });
    const later = await ask("POST");
    proxy.calm();
    expect(later).toMatchObject({ code: "CLUSTER_UNAVAILABLE", message: expect.stringContaining("asked for a pause") });
    expect(proxy.seen.slice(from).filter(({ path }) => path === "/version")).toHaveLength(1);
  }, 60_000);
});
