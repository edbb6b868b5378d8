import type { KubernetesApi } from "../../../../control-plane/adapters/kubernetes/api-client.ts";
import { apiOf, type Kubernetes } from "../../../kubernetes/support/kubernetes.ts";

interface Shown {
  readonly metadata: { readonly name: string; readonly generation: number };
  readonly status?: { readonly observedGeneration?: number };
}

const DEADLINE_MS = 180_000;

/** ModelDeployments of one namespace, made and watched by the cluster's admin. */
export class DeclaredObjects {
  readonly #kubernetes: Kubernetes;
  readonly #api: KubernetesApi;
  readonly #path: string;
  readonly #stop = new AbortController();
  /** Of each object the generation that its status is about. */
  readonly #observed = new Map<string, number>();
  readonly #looks = new Set<() => void>();

  constructor(kubernetes: Kubernetes, namespace: string, adminToken: string) {
    this.#kubernetes = kubernetes;
    this.#api = apiOf(kubernetes.url, adminToken);
    this.#path = `/apis/skerry.dev/v1alpha1/namespaces/${namespace}/modeldeployments`;
  }

  async start(): Promise<void> {
    const list = (await this.#kubernetes.get(this.#path)) as { metadata: { resourceVersion: string } };
    void this.#follow(list.metadata.resourceVersion);
  }

  stop(): void {
    this.#stop.abort();
  }

  /** Makes `count` objects. Resolves when the status of all of them is of their newest generation. */
  async create(count: number): Promise<void> {
    await this.make(count);
    await this.#until(() => this.#observed.size === count);
  }

  /** Makes `count` objects, 20 at a time. */
  async make(count: number): Promise<void> {
    for (let made = 0; made < count; made += 20)
      await Promise.all(
        Array.from({ length: Math.min(20, count - made) }, async (_, i) => {
          const metadata = { name: `d-${made + i}` };
          const spec = { model: "digits", version: 1, placement: {} };
          const body = { apiVersion: "skerry.dev/v1alpha1", kind: "ModelDeployment", metadata, spec };
          const { status } = await this.#api.call("POST", this.#path, body);
          if (status !== 201) throw new Error(`create ${metadata.name}: ${status}`);
        }),
      );
  }

  /** Changes one object. Returns the ms until its status is of the new generation. */
  async change(name: string, spec: object): Promise<number> {
    const startedAt = performance.now();
    const contentType = "application/merge-patch+json";
    const { status, body } = await this.#api.call("PATCH", `${this.#path}/${name}`, { spec }, { contentType });
    if (status !== 200) throw new Error(`change ${name}: ${status}`);
    const { generation } = (body as Shown).metadata;
    await this.#until(() => (this.#observed.get(name) ?? 0) >= generation);
    return performance.now() - startedAt;
  }

  /** As `change`, but shows the status itself, at once: what the API server takes, whoever writes. Returns the ms. */
  async changeAndShow(name: string, spec: object, status: object): Promise<number> {
    const startedAt = performance.now();
    const path = `${this.#path}/${name}`;
    const { body } = await this.#api.call("PATCH", path, { spec }, { contentType: "application/merge-patch+json" });
    const { generation } = (body as Shown).metadata;
    const applied = {
      apiVersion: "skerry.dev/v1alpha1",
      kind: "ModelDeployment",
      metadata: { name },
      status: { ...status, observedGeneration: generation },
    };
    const asApply = { contentType: "application/apply-patch+yaml" } as const;
    const query = "fieldManager=skerry&force=true";
    const answer = await this.#api.call("PATCH", `${path}/status?${query}`, applied, asApply);
    if (answer.status !== 200) throw new Error(`show ${name}: ${answer.status}`);
    await this.#until(() => (this.#observed.get(name) ?? 0) >= generation);
    return performance.now() - startedAt;
  }

  #until(holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("the status did not follow in time")), DEADLINE_MS);
      const look = (): void => {
        if (!holds()) return;
        this.#looks.delete(look);
        clearTimeout(timer);
        resolve();
      };
      this.#looks.add(look);
      look();
    });
  }

  async #follow(version: string): Promise<void> {
    const query = `watch=true&resourceVersion=${version}&timeoutSeconds=3600`;
    for await (const line of this.#api.lines(`${this.#path}?${query}`, this.#stop.signal)) {
      const { object } = JSON.parse(line) as { object: Shown };
      const { metadata, status } = object;
      if (status?.observedGeneration !== undefined) this.#observed.set(metadata.name, status.observedGeneration);
      for (const look of this.#looks) look();
    }
  }
}
