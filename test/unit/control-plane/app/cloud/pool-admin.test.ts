import { describe, expect, it } from "@jest/globals";
import { PoolAdmin } from "../../../../../control-plane/app/cloud/pool-admin.ts";
import type { Actor } from "../../../../../control-plane/ports/access/audit.ts";
import type { PoolDeclarations } from "../../../../../control-plane/ports/cloud/cloud-pool.ts";
import { cloudPoolSpec } from "../../../../../shared/api/v1/nodes/cloud-pools.ts";
import { MemoryPools } from "../../../../integration/http/support/memory-pools.ts";

const actor: Actor = { name: "alice", role: "admin", keyId: "k-1", models: [], address: "127.0.0.1", requestId: "r-1" };
const change = { actor, ifMatch: undefined };
const gpu = (max: number) => cloudPoolSpec.parse({ name: "gpu", namespace: "skerry", deployment: "node-gpu", max });

/** `meanwhile` happens right after each call of the store has answered. */
function rig(meanwhile: (pools: MemoryPools) => Promise<unknown>) {
  const pools = new MemoryPools();
  const declarations: PoolDeclarations = {
    async list() {
      const answer = await pools.list();
      await meanwhile(pools);
      return answer;
    },
    async put(spec, how) {
      const answer = await pools.put(spec, how);
      await meanwhile(pools);
      return answer;
    },
    delete: (name, how) => pools.delete(name, how),
  };
  const store = { list: () => Promise.resolve([]) };
  return {
    pools,
    admin: new PoolAdmin({ sources: { settled: [] }, declarations, store, namespaces: new Set(["skerry"]) }),
  };
}

describe("a pool that somebody else changes meanwhile", () => {
  it("is shown with the version of what is shown", async () => {
    const { pools, admin } = rig((of) => of.put(gpu(9), change));
    await pools.put(gpu(4), change);
    expect(await admin.get("gpu")).toMatchObject({ pool: { max: 4 }, rowVersion: 1 });
  });

  it("is answered as it was declared, with the version that this made", async () => {
    const changed = rig((of) => of.put(gpu(9), change));
    expect(await changed.admin.put(gpu(4), change)).toMatchObject({ created: true, rowVersion: 1, pool: { max: 4 } });
    const deleted = rig((of) => of.delete("gpu", change));
    expect(await deleted.admin.put(gpu(4), change)).toMatchObject({ created: true, rowVersion: 1, pool: { max: 4 } });
  });
});
