import {
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  KubernetesObjectApi,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  type KubernetesListObject,
  type KubernetesObject,
} from "@kubernetes/client-node";
import { KeyedQueue, type Outcome } from "../../../../control-plane/app/kubernetes/keyed-queue.ts";
import { isEqual } from "../../../../control-plane/core/fleet/changes/equal.ts";
import { transitionsOf } from "../../../../control-plane/core/kubernetes/conditions.ts";
import { statusIn } from "../../../../control-plane/core/kubernetes/model-deployment.ts";
import { FINALIZER } from "../../../../control-plane/ports/cloud/custom-resources.ts";
import { resource } from "../../../../shared/api/v1alpha1/resource.ts";
import { systemClock } from "../../../../shared/base/clock.ts";
import { systemRandom } from "../../../../shared/base/random.ts";
import { shownStatus } from "./shown-status.ts";

/**
 * The controller of `own-client.ts` as one writes it with client-node: its informer, its object API for the finalizer, its
 * custom objects API for the status, which the object API cannot write, and its core API for events. The queue and what is
 * written are the same.
 */
const namespace = process.argv[2] ?? "default";
const apiVersion = "skerry.dev/v1alpha1";
const kind = "ModelDeployment";
const where = { group: "skerry.dev", version: "v1alpha1", namespace, plural: "modeldeployments" };
const config = new KubeConfig();
config.loadFromDefault();
const objects = KubernetesObjectApi.makeApiClient(config);
const custom = config.makeApiClient(CustomObjectsApi);
const core = config.makeApiClient(CoreV1Api);
const asApply = setHeaderOptions("Content-Type", PatchStrategy.ServerSideApply);

const list = (): Promise<KubernetesListObject<KubernetesObject>> => custom.listNamespacedCustomObject(where);
const path = `/apis/${where.group}/${where.version}/namespaces/${namespace}/${where.plural}`;
const informer = makeInformer<KubernetesObject>(config, path, list);
const queue = new KeyedQueue({
  work: reconcile,
  onFailure: (name, error) => console.error(name, error),
  clock: systemClock,
  random: systemRandom,
});
const add = ({ metadata }: KubernetesObject): void => {
  if (metadata?.name !== undefined) queue.add(metadata.name);
};
informer.on("add", add);
informer.on("update", add);
informer.on("error", () => setTimeout(() => void informer.start(), 1_000));
await informer.start();
console.log("started");

async function reconcile(name: string): Promise<Outcome> {
  const found = informer.get(name, namespace);
  if (!found) return "done";
  let object = resource.parse(found);
  const { uid } = object.metadata;
  const identity = { name, namespace, uid };
  if (!object.metadata.finalizers.includes(FINALIZER)) {
    const body = { apiVersion, kind, metadata: { ...identity, finalizers: [FINALIZER] } };
    const { ServerSideApply } = PatchStrategy;
    object = resource.parse(await objects.patch(body, undefined, undefined, "skerry", undefined, ServerSideApply));
  }
  const before = statusIn(object);
  const status = shownStatus(object);
  if (isEqual(before, status)) return "done";
  const body = { apiVersion, kind, metadata: identity, status };
  await custom.patchNamespacedCustomObjectStatus({ ...where, name, body, fieldManager: "skerry" }, asApply);
  for (const event of transitionsOf(before.conditions, status.conditions)) {
    const at = new Date();
    await core.createNamespacedEvent({
      namespace,
      body: {
        metadata: { name: `${name}.${at.getTime().toString(16)}`, namespace },
        involvedObject: { apiVersion, kind, name, namespace, uid },
        ...event,
        source: { component: "skerry" },
        firstTimestamp: at,
        lastTimestamp: at,
        count: 1,
      },
    });
  }
  return "done";
}
