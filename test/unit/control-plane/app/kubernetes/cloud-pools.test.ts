import { describe, expect, it } from "@jest/globals";
import { CloudPools } from "../../../../../control-plane/app/kubernetes/cloud-pools.ts";
import { ResourceCache } from "../../../../../control-plane/app/kubernetes/resource-cache.ts";
import { KUBERNETES } from "../../../../../control-plane/ports/access/audit.ts";
import type { DeclaredPool } from "../../../../../control-plane/ports/cloud/cloud-pool.ts";
import type { CustomResources } from "../../../../../control-plane/ports/cloud/custom-resources.ts";
import { cloudPoolSpec, type PoolFindings } from "../../../../../shared/api/v1/nodes/cloud-pools.ts";
import { SkerryError } from "../../../../../shared/base/errors.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const declared = (name: string, kubernetesNamespace: string | null): DeclaredPool => ({
  spec: cloudPoolSpec.parse({ name, namespace: "skerry", deployment: `node-${name}`, max: 4 }),
  rowVersion: 1,
  kubernetesNamespace,
});
const found = (name: string): PoolFindings => ({
  name,
  min: 0,
  max: 4,
  wanted: 0,
  replicas: 0,
  ready: 0,
  pending: 0,
  trouble: null,
  pods: [],
});
const unused = () => Promise.reject(new Error("not used"));

/** A cluster without an object, and a control plane whose settings refuse every pool. */
function rig({ isAway = false, findings = [] as PoolFindings[] } = {}) {
  const clock = new TestClock();
  const written: object[] = [];
  const cluster: CustomResources = {
    namespace: "skerry",
    list: unused,
    async *watch() {},
    create: unused,
    remove: unused,
    setFinalizer: unused,
    writeStatus: async (_kind, _of, status) => {
      written.push(status);
      return null;
    },
    record: unused,
  };
  const listeners = new Set<(name: string) => void>();
  const deleted: string[] = [];
  const reconciler = new CloudPools({
    cluster,
    admin: {
      check: () => {
        throw new SkerryError("CONFLICT", "the pool ours is declared by SKERRY_CLOUD_POOLS");
      },
      put: unused,
    },
    declarations: {
      delete: async (name) => void deleted.push(name),
      list: async () => {
        if (isAway) throw new SkerryError("DATABASE_UNAVAILABLE", "PostgreSQL does not answer");
        return [declared("ours", "skerry"), declared("theirs", "elsewhere"), declared("api", null)];
      },
    },
    loop: {
      findings,
      onFindings: (changed) => {
        listeners.add(changed);
        return () => listeners.delete(changed);
      },
    },
    actor: { ...KUBERNETES, kubernetesNamespace: "skerry" },
    clock,
  });
  const parts = { cluster, kind: "CloudPool", clock, random: seededRandom(1), logger: silentLogger } as const;
  const resources = new ResourceCache({ ...parts, onChange: () => undefined, onSynced: () => undefined });
  const changed: string[] = [];
  const stopping = new AbortController();
  const follow = () => reconciler.follow((name) => void changed.push(name), stopping.signal);
  return { reconciler, resources, clock, written, listeners, deleted, changed, stopping, follow };
}

describe("a pool whose CloudPool went while nobody looked", () => {
  it("is looked at when a replica begins to lead, and deleted when it is of this namespace", async () => {
    const { reconciler, resources, clock, deleted, changed, follow } = rig();
    void follow();
    await clock.advance(0);
    expect(changed).toEqual(["ours"]);
    for (const name of ["ours", "theirs", "api"]) expect(await reconciler.reconcile(name, resources)).toBe("done");
    expect(deleted).toEqual(["ours"]);
  });

  it("is looked at although PostgreSQL does not answer then: those that the loop knows, and those that it finds", async () => {
    const { clock, listeners, changed, stopping, follow } = rig({ isAway: true, findings: [found("known")] });
    const following = follow();
    await clock.advance(0);
    expect(changed).toEqual(["known"]);
    for (const listener of listeners) listener("later");
    expect(changed).toEqual(["known", "later"]);
    stopping.abort();
    await following;
    expect(listeners.size).toBe(0);
  });
});

it("says that a pool is refused by newer settings, although it was declared before", async () => {
  const { reconciler, resources, written } = rig();
  const { namespace, deployment, max } = declared("ours", "skerry").spec;
  const metadata = { name: "ours", namespace, uid: "u1", resourceVersion: "1", generation: 1, finalizers: [] };
  resources.add({ metadata, spec: { deployment, max } });
  expect(await reconciler.reconcile("ours", resources)).toBe("again");
  expect(written).toEqual([
    expect.objectContaining({
      conditions: expect.arrayContaining([
        expect.objectContaining({ type: "Accepted", status: "False", reason: "DeclaredElsewhere" }),
      ]),
    }),
  ]);
});
