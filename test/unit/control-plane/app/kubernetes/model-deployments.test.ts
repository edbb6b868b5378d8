import { describe, expect, it } from "@jest/globals";
import { ModelDeployments } from "../../../../../control-plane/app/kubernetes/model-deployments.ts";
import { ResourceCache } from "../../../../../control-plane/app/kubernetes/resource-cache.ts";
import { FleetState } from "../../../../../control-plane/core/fleet/fleet-state.ts";
import type { CustomResources, ResourceEvent } from "../../../../../control-plane/ports/cloud/custom-resources.ts";
import { toInstant } from "../../../../../shared/api/v1/common.ts";
import type { Deployment, DeploymentFindings } from "../../../../../shared/api/v1/deployments/deployments.ts";
import { deploymentSpec } from "../../../../../shared/api/v1/deployments/deployment-spec.ts";
import type { ModelDeploymentStatus } from "../../../../../shared/api/v1alpha1/model-deployment.ts";
import type { Resource } from "../../../../../shared/api/v1alpha1/resource.ts";
import { SkerryError } from "../../../../../shared/base/errors.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const spec = deploymentSpec.parse({ name: "digits", model: "digits", version: 1 });
const { name: _, ...objectSpec } = spec;
const actor = {
  name: "kubernetes",
  role: "operator",
  keyId: null,
  models: [],
  address: "",
  requestId: "",
  kubernetesNamespace: "skerry",
} as const;

const findings = (ready: "True" | "False", reason: string): DeploymentFindings => ({
  conditions: [
    { type: "Ready", status: ready, reason, message: `${ready} because ${reason}` },
    { type: "Stalled", status: "False", reason: "NothingInTheWay", message: "nothing is in the way" },
  ],
  activeVersion: 1,
  targetVersion: 1,
  edge: { wanted: 1, placed: 1, ready: ready === "True" ? 1 : 0 },
  cloud: { wanted: 0, placed: 0, ready: 0 },
  unplaced: [],
});

/** One object on an API server, and one deployment in Skerry, both as far as this controller uses them. */
async function rig(object: Partial<Resource["metadata"]> | undefined = {}) {
  const clock = new TestClock();
  const calls: string[] = [];
  const events: ResourceEvent[] = [];
  let version = 1;
  const server: { object: Resource | undefined } = {
    object: object && {
      metadata: {
        name: "digits",
        namespace: "skerry",
        uid: "u1",
        resourceVersion: "1",
        generation: 1,
        finalizers: [],
        ...object,
      },
      spec: objectSpec,
    },
  };
  const skerry: { deployment: Deployment | undefined; outage: SkerryError | undefined; owner: string | undefined } = {
    deployment: undefined,
    outage: undefined,
    owner: undefined,
  };
  const change = (next: Partial<Resource>): Resource => {
    const known = server.object;
    if (!known) throw new Error("there is no object");
    version += 1;
    server.object = {
      ...known,
      ...next,
      metadata: { ...known.metadata, ...next.metadata, resourceVersion: `${version}` },
    };
    return server.object;
  };
  const cluster: CustomResources = {
    namespace: "skerry",
    list: async () => ({ resources: server.object ? [server.object] : [], resourceVersion: String(version) }),
    async *watch(_kind, _after, signal) {
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      yield* [];
    },
    create: () => Promise.reject(new Error("not used")),
    remove: () => Promise.reject(new Error("not used")),
    setFinalizer: async (_kind, { metadata }, { isSet }) => {
      calls.push(isSet ? "set finalizer" : "remove finalizer");
      return change({ metadata: { ...metadata, finalizers: isSet ? ["skerry.dev/cleanup"] : [] } });
    },
    writeStatus: async (_kind, _of, status) => {
      calls.push("write status");
      return change({ status });
    },
    record: async (_kind, _of, event) => void events.push(event),
  };
  const reach = (): void => {
    if (skerry.outage) throw skerry.outage;
  };
  const find = (): Deployment => {
    if (!skerry.deployment) throw new SkerryError("NOT_FOUND", "there is no deployment digits");
    return skerry.deployment;
  };
  const controller = new ModelDeployments({
    cluster,
    deployments: {
      get: find,
      placements: () => [],
      put: async (declared) => {
        reach();
        calls.push("put");
        skerry.owner = "skerry";
        skerry.deployment = {
          name: "digits",
          spec: declared,
          generation: 1,
          createdAt: toInstant(0),
          status: {
            ...findings("False", "NotObserved"),
            observedGeneration: 0,
            recordedAgeMs: null,
            url: "http://skerry/v2/models/digits/infer",
            changedAgeMs: null,
          },
        };
        return { created: true, rowVersion: 1, deployment: skerry.deployment };
      },
      delete: async () => {
        reach();
        calls.push("delete");
        skerry.deployment = undefined;
      },
    },
    store: {
      release: async () => {
        calls.push("release");
        skerry.owner = undefined;
      },
    },
    watch: {
      async *follow() {
        yield* [];
      },
    },
    fleet: {
      snapshot: () => {
        const state = new FleetState();
        const { deployment } = skerry;
        if (deployment)
          state.deployments.set("digits", {
            name: "digits",
            spec: deployment.spec,
            generation: deployment.generation,
            createdAt: 0,
            kubernetesNamespace: skerry.owner,
            status: undefined,
          });
        return state.snapshot();
      },
    },
    actor,
    clock,
  });
  const parts = { kind: "ModelDeployment", cluster, clock, random: seededRandom(1), logger: silentLogger } as const;
  const ignore = { onChange: () => undefined, onSynced: () => undefined };
  const cache = new ResourceCache({ ...parts, ...ignore });
  /** After the object has gone. */
  const empty = new ResourceCache({ ...parts, ...ignore });
  cache.start();
  await clock.advance(0);
  const planned = (found: DeploymentFindings): void => {
    const { status, ...rest } = find();
    skerry.deployment = { ...rest, status: { ...status, ...found, observedGeneration: rest.generation } };
  };
  const status = (): ModelDeploymentStatus => server.object?.status as ModelDeploymentStatus;
  return {
    clock,
    calls,
    events,
    server,
    skerry,
    cache,
    planned,
    status,
    look: () => controller.reconcile("digits", cache),
    lookWithoutObject: () => controller.reconcile("digits", empty),
  };
}

const AWAY = new SkerryError("DATABASE_UNAVAILABLE", "PostgreSQL does not answer");

describe("the controller of ModelDeployments", () => {
  it("declares, says nothing until the leader has planned, and writes nothing twice", async () => {
    const { calls, events, planned, look, cache } = await rig();
    await look();
    expect(calls).toEqual(["set finalizer", "put"]);
    planned(findings("True", "AllReplicasReady"));
    await look();
    await look();
    expect(calls).toEqual(["set finalizer", "put", "write status"]);
    expect(events).toEqual([{ type: "Normal", reason: "Ready", message: "True because AllReplicasReady" }]);
    await cache.stop();
  });

  it("tells when readiness ends, and keeps the time of conditions that stay", async () => {
    const { clock, events, planned, look, status, cache } = await rig();
    await look();
    planned(findings("True", "AllReplicasReady"));
    await look();
    const before = status().conditions.find(({ type }) => type === "Stalled")?.lastTransitionTime;
    await clock.advance(5_000);
    planned(findings("False", "NoReplicaReady"));
    await look();
    expect(events.at(-1)).toMatchObject({ type: "Warning", reason: "NoReplicaReady" });
    const times = Object.fromEntries(
      status().conditions.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]),
    );
    expect(times["Stalled"]).toBe(before);
    expect(times["Ready"]).not.toBe(before);
    await cache.stop();
  });

  it("says that PostgreSQL is away, and declares when it is back", async () => {
    const { calls, skerry, look, status, cache } = await rig();
    skerry.outage = AWAY;
    expect(await look()).toBe("again");
    expect(await look()).toBe("again");
    expect(status().conditions.map(({ type, status: is, reason }) => `${type} ${is} ${reason}`)).toEqual([
      "Accepted False DatabaseUnavailable",
      "Ready False DatabaseUnavailable",
    ]);
    skerry.outage = undefined;
    expect(await look()).toBe("done");
    expect(calls).toEqual(["set finalizer", "write status", "put"]);
    await cache.stop();
  });

  it("keeps a deleted object until its deployment is deleted, however long PostgreSQL does not answer", async () => {
    const deletionTimestamp = toInstant(new TestClock().wallNow());
    const { clock, calls, server, skerry, look, status, cache } = await rig({
      finalizers: ["skerry.dev/cleanup"],
    });
    await look();
    skerry.outage = AWAY;
    if (server.object)
      server.object = {
        ...server.object,
        metadata: { ...server.object.metadata, deletionTimestamp, resourceVersion: "9" },
      };
    if (server.object) cache.put(server.object);
    expect(await look()).toBe("again");
    expect(status().conditions[0]).toMatchObject({ type: "Accepted", reason: "DeletionDelayed" });
    await clock.advance(3_600_000);
    expect(await look()).toBe("again");
    expect(calls).not.toContain("remove finalizer");
    skerry.outage = undefined;
    expect(await look()).toBe("done");
    expect(calls.slice(-2)).toEqual(["delete", "remove finalizer"]);
    await cache.stop();
  });

  it("releases a deployment whose object is gone without having been deleted", async () => {
    const { calls, look, lookWithoutObject, cache } = await rig();
    await look();
    expect(await lookWithoutObject()).toBe("done");
    expect(await lookWithoutObject()).toBe("done");
    expect(calls).toEqual(["set finalizer", "put", "release"]);
    await cache.stop();
  });
});
