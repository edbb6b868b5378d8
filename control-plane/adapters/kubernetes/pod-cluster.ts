import { z } from "zod";
import { SkerryError } from "../../../shared/base/errors.ts";
import type { PodCluster, PodIdentity } from "../../ports/cloud/pods.ts";
import { type KubernetesApi, messageIn } from "./api-client.ts";
import { isGone, isOver, lifeShape } from "./pod-state.ts";

/** The audience that a node's projected token is made for, so that a token of any other use is worthless here. */
const AUDIENCE = "skerry-join";
/** A list page: the API server holds a page in memory for each reader. */
const PAGE = 500;

const first = z.tuple([z.string()]).rest(z.string()).optional();
const tokenReview = z.object({
  status: z.object({
    // Absent, not false, when the token is bad.
    authenticated: z.boolean().optional(),
    audiences: z.array(z.string()).optional(),
    user: z
      .object({
        username: z.string().optional(),
        extra: z
          .object({
            "authentication.kubernetes.io/pod-name": first,
            "authentication.kubernetes.io/pod-uid": first,
            "authentication.kubernetes.io/node-name": first,
          })
          .optional(),
      })
      .optional(),
  }),
});
const labels = z.record(z.string(), z.string()).optional();
const labelled = z.object({ metadata: z.object({ labels }) });
const podOfToken = lifeShape.extend({ metadata: lifeShape.shape.metadata.extend({ labels }) });
const podList = z.object({
  metadata: z.object({ continue: z.string().optional() }),
  items: z.array(lifeShape.extend({ metadata: lifeShape.shape.metadata.extend({ uid: z.string() }) })),
});

/** The pods of one cluster, judged by its API server. */
export class KubernetesPods implements PodCluster {
  readonly #api: KubernetesApi;
  readonly #accounts: ReadonlySet<string>;
  readonly #now: () => number;

  /** `accounts`: the service accounts whose pods may become nodes, each `namespace/name`. `now`: ms since 1970. */
  constructor(
    api: KubernetesApi,
    { accounts, now }: { readonly accounts: readonly string[]; readonly now: () => number },
  ) {
    this.#api = api;
    this.#accounts = new Set(accounts);
    this.#now = now;
  }

  async identify(token: string): Promise<PodIdentity | null> {
    const review = {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenReview",
      spec: { token, audiences: [AUDIENCE] },
    };
    const answer = await this.#call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", tokenReview, review);
    const { authenticated, audiences, user } = answer?.status ?? {};
    if (authenticated !== true || audiences?.includes(AUDIENCE) !== true) return null;
    const [, namespace = "", account = ""] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user?.username ?? "") ?? [];
    const [name] = user?.extra?.["authentication.kubernetes.io/pod-name"] ?? [];
    const [uid] = user?.extra?.["authentication.kubernetes.io/pod-uid"] ?? [];
    const [machine] = user?.extra?.["authentication.kubernetes.io/node-name"] ?? [];
    // A token that is not bound to a pod names none: it could be used anywhere.
    if (!this.#accounts.has(`${namespace}/${account}`) || name === undefined || uid === undefined) return null;
    const pod = await this.#call("GET", `/api/v1/namespaces/${namespace}/pods/${name}`, podOfToken);
    // The cluster vouches for the token of an evicted pod as long as it lists the pod.
    if (!pod || isOver(pod) || pod.metadata.deletionTimestamp !== undefined) return null;
    const node = machine === undefined ? undefined : await this.#call("GET", `/api/v1/nodes/${machine}`, labelled);
    const zone = node?.metadata.labels?.["topology.kubernetes.io/zone"];
    return { name, uid, zone, labels: pod.metadata.labels ?? {} };
  }

  async podUids(): Promise<ReadonlySet<string>> {
    const namespaces = new Set([...this.#accounts].map((account) => account.split("/")[0] ?? ""));
    const uids = new Set<string>();
    for (const namespace of namespaces) {
      let next: string | undefined = "";
      while (next !== undefined) {
        const page: string = `limit=${PAGE}${next === "" ? "" : `&continue=${encodeURIComponent(next)}`}`;
        const list: z.infer<typeof podList> | undefined = await this.#call(
          "GET",
          `/api/v1/namespaces/${namespace}/pods?${page}`,
          podList,
        );
        if (!list) throw new SkerryError("CLUSTER_UNAVAILABLE", `namespace ${namespace} cannot be listed`);
        for (const pod of list.items) if (!isGone(pod, this.#now())) uids.add(pod.metadata.uid);
        next = list.metadata.continue === "" ? undefined : list.metadata.continue;
      }
    }
    return uids;
  }

  /** Undefined when the object is not there. Throws `CLUSTER_UNAVAILABLE` on any other refusal. */
  async #call<T>(method: "GET" | "POST", path: string, shape: z.ZodType<T>, body?: object): Promise<T | undefined> {
    const answer = await this.#api.call(method, path, body);
    if (answer.status === 404) return undefined;
    const parsed = shape.safeParse(answer.body);
    if (answer.status < 300 && parsed.success) return parsed.data;
    const why = answer.status < 300 ? "the answer has another form" : `${answer.status} ${messageIn(answer.body)}`;
    throw new SkerryError("CLUSTER_UNAVAILABLE", `${method} ${path.split("?", 1)[0]}: ${why}`);
  }
}
