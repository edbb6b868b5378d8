import { describe, expect, it } from "@jest/globals";
import { PoolSources } from "../../../../../control-plane/app/cloud/pool-sources.ts";
import type { DeclaredPool } from "../../../../../control-plane/ports/cloud/cloud-pool.ts";
import { cloudPoolSpec } from "../../../../../shared/api/v1/nodes/cloud-pools.ts";
import { aSettledPool } from "../../../../integration/http/support/memory-pools.ts";

const declared = (name: string, over: object = {}): DeclaredPool => ({
  spec: cloudPoolSpec.parse({ name, namespace: "skerry", deployment: `node-${name}`, max: 4, ...over }),
  rowVersion: 1,
  kubernetesNamespace: null,
});

/** The pool `settled` of the settings, and those that a test declares, in the order of the store: by name. */
function rig(...first: readonly DeclaredPool[]) {
  const rows = { now: first };
  const opened: string[] = [];
  const sources = new PoolSources({
    settled: [aSettledPool()],
    declarations: { list: async () => rows.now },
    open: ({ name, namespace, deployment }) => {
      opened.push(`${name}: ${namespace}/${deployment}`);
      return { ...aSettledPool().pool, name };
    },
    site: "cloud",
  });
  const names = async (): Promise<readonly string[]> => (await sources.list()).map(({ settings }) => settings.name);
  return { rows, opened, sources, names };
}

describe("the pools that there are", () => {
  it("are filled by priority, those of the settings before others of the same, and then by name", async () => {
    const { names } = rig(
      declared("a"),
      declared("b", { priority: 5 }),
      declared("c", { priority: -1 }),
      declared("d"),
    );
    expect(await names()).toEqual(["b", "settled", "a", "d", "c"]);
  });

  it("hold a name and a Deployment once: those of the settings hide declared ones, which are not opened", async () => {
    const { names, opened } = rig(
      declared("settled"),
      declared("second", { deployment: "skerry-node" }),
      declared("spot"),
    );
    expect(await names()).toEqual(["settled", "spot"]);
    expect(opened).toEqual(["spot: skerry/node-spot"]);
  });

  it("stay the same while what they scale does, whatever else changes, and are others afterwards", async () => {
    const { rows, sources, opened } = rig(declared("gpu"));
    const [, before] = await sources.list();
    rows.now = [declared("gpu", { min: 2, max: 9, site: "harbour" })];
    const [, changed] = await sources.list();
    expect(changed?.pool).toBe(before?.pool);
    expect(changed?.settings).toEqual({ name: "gpu", min: 2, max: 9, site: "harbour", needsPoolLabel: true });
    rows.now = [declared("gpu", { deployment: "other" })];
    expect((await sources.list())[1]?.pool).not.toBe(before?.pool);
    expect(opened).toEqual(["gpu: skerry/node-gpu", "gpu: skerry/other"]);
  });

  it("give pods with their label their site, and others that of all pods", async () => {
    const { sources } = rig(declared("gpu", { site: "harbour" }), declared("spot"));
    expect(await Promise.all(["gpu", "spot", "unknown", undefined].map((pool) => sources.siteOf(pool)))).toEqual([
      "harbour",
      "cloud",
      "cloud",
      "cloud",
    ]);
  });
});
