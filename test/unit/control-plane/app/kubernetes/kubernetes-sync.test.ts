import { describe, expect, it } from "@jest/globals";
import { KubernetesSync } from "../../../../../control-plane/app/kubernetes/kubernetes-sync.ts";
import { ResourceController } from "../../../../../control-plane/app/kubernetes/resource-controller.ts";
import { whileLeading } from "../../../../../control-plane/app/kubernetes/while-leading.ts";
import type { CustomResources } from "../../../../../control-plane/ports/cloud/custom-resources.ts";
import type { LeaderFence } from "../../../../../control-plane/ports/plan.ts";
import type { Resource } from "../../../../../shared/api/v1alpha1/resource.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const resource: Resource = {
  metadata: {
    name: "digits",
    namespace: "skerry",
    uid: "u1",
    resourceVersion: "1",
    generation: 1,
    finalizers: [],
  },
};

function setUp() {
  const clock = new TestClock();
  const state: { lease: LeaderFence | undefined } = { lease: undefined };
  const written: string[] = [];
  const reconciled: string[] = [];
  const cluster: CustomResources = {
    namespace: "skerry",
    list: async () => ({ resources: [resource], resourceVersion: "1" }),
    async *watch(_kind, _after, signal) {
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      yield* [];
    },
    create: async () => (written.push("create"), resource),
    remove: async () => void written.push("remove"),
    setFinalizer: async () => (written.push("finalizer"), resource),
    writeStatus: async () => (written.push("status"), resource),
    record: async () => void written.push("event"),
  };
  const sync = new KubernetesSync({
    controllers: (lease) => [
      new ResourceController(
        {
          kind: "Model",
          reconcile: async (name) => (reconciled.push(`${name} under ${lease.token}`), "done"),
          follow: (_, signal) =>
            new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true })),
        },
        { cluster, clock, random: seededRandom(1), logger: silentLogger },
      ),
    ],
    lease: () => state.lease,
    clock,
    logger: silentLogger,
  });
  return { clock, state, written, reconciled, sync, cluster };
}

describe("carrying out custom resources", () => {
  it("is done under the lease of one term: a lease that was lost and won again begins anew", async () => {
    const { clock, state, reconciled, sync } = setUp();
    sync.start();
    await clock.advance(5_000);
    expect(reconciled).toEqual([]);
    state.lease = { holder: "r-1", token: 1n };
    await clock.advance(5_000);
    expect(reconciled).toEqual(["digits under 1"]);
    // Renewed: the same term.
    state.lease = { holder: "r-1", token: 1n };
    await clock.advance(5_000);
    expect(reconciled).toHaveLength(1);
    state.lease = { holder: "r-1", token: 3n };
    await clock.advance(5_000);
    expect(reconciled).toEqual(["digits under 1", "digits under 3"]);
    state.lease = undefined;
    await clock.advance(600_000);
    expect(reconciled).toHaveLength(2);
    await sync.stop();
  });

  it("writes nothing to the API server after the term", async () => {
    const { written, cluster } = setUp();
    let leads = true;
    const held = whileLeading(cluster, () => leads);
    const event = { type: "Normal", reason: "Ready", message: "ready" } as const;
    const writes = (): readonly Promise<unknown>[] => [
      held.create("Model", "digits"),
      held.remove("Model", resource),
      held.setFinalizer("Model", resource, { isSet: true }),
      held.writeStatus("Model", resource, {}, { isForced: false }),
      held.record("Model", resource, event),
    ];
    await Promise.all(writes());
    expect(written).toEqual(["create", "remove", "finalizer", "status", "event"]);
    leads = false;
    for (const write of writes()) await expect(write).rejects.toThrow("does not lead any more");
    expect(written).toHaveLength(5);
  });
});
