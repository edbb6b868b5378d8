import { z } from "zod";
import { SkerryError } from "../../../shared/base/errors.ts";
import type { CloudPool, PoolObservation, PoolPod, PoolScale } from "../../ports/cloud/cloud-pool.ts";
import { type KubernetesApi, messageIn } from "./api-client.ts";
import { machineShape, machineTrouble, podShape, poolPodOf, silentMachineOf } from "./pod-state.ts";
import { quantity } from "./quantity.ts";

const MIB = 1_048_576;
/** A list page: the API server holds a page in memory for each reader. */
const PAGE = 500;
/** The cluster keeps thousands of pods that have failed. So many are shown, the newest. */
const FAILED_PODS = 10;
/** Machines that are asked what is the matter with them, of one pool at one look. */
const MACHINES = 8;
/** Labels of a pod that become labels of its node. */
const LABEL = "skerry.dev/";
/** Pods with less go before others when a ReplicaSet shrinks. Those that are not ready go before both. */
const DELETION_COST = { "controller.kubernetes.io/pod-deletion-cost": "-1000" };

const amount = z.union([z.string(), z.number()]).optional();
const resources = z.object({ memory: amount, cpu: amount }).optional();
const labels = z.record(z.string(), z.string()).default({});
const deployment = z.object({
  spec: z.object({
    replicas: z.number().default(1),
    selector: z.object({ matchLabels: labels }),
    template: z.object({
      metadata: z.object({ labels }).optional(),
      spec: z.object({
        containers: z.array(z.object({ resources: z.object({ limits: resources, requests: resources }).optional() })),
      }),
    }),
  }),
  status: z
    .object({
      conditions: z
        .array(z.object({ type: z.string(), status: z.string(), message: z.string().optional() }))
        .optional(),
    })
    .optional(),
});
const scaleShape = z.object({
  metadata: z.object({ resourceVersion: z.string() }),
  spec: z.object({ replicas: z.number().default(0) }),
});
const podList = z.object({ metadata: z.object({ continue: z.string().optional() }), items: z.array(podShape) });

/** A Deployment whose pods are nodes; only its number of replicas is changed, by its scale subresource. */
export class KubernetesPool implements CloudPool {
  readonly name: string;
  readonly #api: KubernetesApi;
  readonly #deployment: string;
  readonly #pods: string;

  constructor(
    api: KubernetesApi,
    of: { readonly name: string; readonly namespace: string; readonly deployment: string },
  ) {
    this.name = of.name;
    this.#api = api;
    this.#deployment = `/apis/apps/v1/namespaces/${of.namespace}/deployments/${of.deployment}`;
    this.#pods = `/api/v1/namespaces/${of.namespace}/pods`;
  }

  async observe(): Promise<PoolObservation> {
    const { spec, status } = await this.#call("GET", this.#deployment, deployment);
    const [container] = spec.template.spec.containers;
    const { limits, requests } = container?.resources ?? {};
    const memory = quantity(limits?.memory ?? requests?.memory);
    const own = Object.entries(spec.template.metadata?.labels ?? {}).filter(([name]) => name.startsWith(LABEL));
    const failure = status?.conditions?.find((each) => each.type === "ReplicaFailure" && each.status === "True");
    return {
      replicas: spec.replicas,
      pods: await this.#list(spec.selector.matchLabels),
      labels: Object.fromEntries(own.map(([name, value]) => [name.slice(LABEL.length), value])),
      memMiB: memory === undefined ? undefined : Math.floor(memory / MIB),
      cpus: quantity(limits?.cpu ?? requests?.cpu),
      trouble: failure && `ReplicaFailure: ${failure.message ?? "no pod can be made"}`,
    };
  }

  async scale({ from, to, remove }: PoolScale): Promise<boolean> {
    const path = `${this.#deployment}/scale`;
    const now = await this.#call("GET", path, scaleShape);
    if (now.spec.replicas !== from) return false;
    for (const name of remove) {
      const answer = await this.#patch(`${this.#pods}/${name}`, { metadata: { annotations: DELETION_COST } });
      if (answer.status >= 300 && answer.status !== 404) throw refused("PATCH", `${this.#pods}/${name}`, answer);
    }
    const { resourceVersion } = now.metadata;
    const answer = await this.#patch(path, { metadata: { resourceVersion }, spec: { replicas: to } });
    if (answer.status === 409) return false;
    if (answer.status >= 300) throw refused("PATCH", path, answer);
    return true;
  }

  async #list(matchLabels: Readonly<Record<string, string>>): Promise<readonly PoolPod[]> {
    const selector = Object.entries(matchLabels)
      .map(([name, value]) => `${name}=${value}`)
      .join(",");
    const found: z.infer<typeof podShape>[] = [];
    let next: string | undefined = "";
    while (next !== undefined) {
      const page: string = next === "" ? "" : `&continue=${encodeURIComponent(next)}`;
      const list: z.infer<typeof podList> = await this.#call(
        "GET",
        `${this.#pods}?limit=${PAGE}&labelSelector=${encodeURIComponent(selector)}${page}`,
        podList,
      );
      found.push(...list.items);
      next = list.metadata.continue === "" ? undefined : list.metadata.continue;
    }
    const silent = new Set(found.flatMap((pod) => silentMachineOf(pod) ?? []));
    const looked = [...silent].slice(0, MACHINES).map(async (name) => [name, await this.#troubleOf(name)] as const);
    const troubles = new Map(await Promise.all(looked));
    const pods = found.map((pod) => {
      const known = poolPodOf(pod);
      return { ...known, trouble: known.trouble ?? troubles.get(silentMachineOf(pod) ?? "") };
    });
    const failed = pods.filter(({ state }) => state === "failed").toSorted((a, b) => b.createdAt - a.createdAt);
    const forgotten = new Set(failed.slice(FAILED_PODS));
    return pods.filter((pod) => !forgotten.has(pod));
  }

  /** Undefined also when the machine may not be looked at. */
  async #troubleOf(machine: string): Promise<string | undefined> {
    const answer = await this.#api.call("GET", `/api/v1/nodes/${machine}`);
    if (answer.status === 404) return machineTrouble(machine, null);
    const parsed = machineShape.safeParse(answer.body);
    return answer.status < 300 && parsed.success ? machineTrouble(machine, parsed.data) : undefined;
  }

  #patch(path: string, body: object) {
    return this.#api.call("PATCH", path, body, { contentType: "application/merge-patch+json" });
  }

  async #call<T>(method: "GET", path: string, shape: z.ZodType<T>): Promise<T> {
    const answer = await this.#api.call(method, path);
    const parsed = shape.safeParse(answer.body);
    if (answer.status < 300 && parsed.success) return parsed.data;
    throw refused(method, path, answer);
  }
}

function refused(
  method: string,
  path: string,
  answer: { readonly status: number; readonly body: unknown },
): SkerryError {
  const why = answer.status < 300 ? "the answer has another form" : `${answer.status} ${messageIn(answer.body)}`;
  return new SkerryError("CLUSTER_UNAVAILABLE", `${method} ${path.replace(/\?.*$/, "")}: ${why}`);
}
