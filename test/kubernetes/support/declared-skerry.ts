import path from "node:path";
import type { Deployment } from "../../../shared/api/v1/deployments/deployments.ts";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { ApiProxy } from "./api-proxy.ts";
import { Kubernetes } from "./kubernetes.ts";

const PLURALS = {
  ModelDeployment: "modeldeployments",
  Model: "models",
  EdgeNode: "edgenodes",
  CloudPool: "cloudpools",
} as const;
type Kind = keyof typeof PLURALS;
const LISTS = "/apis/skerry.dev/v1alpha1/namespaces/skerry";

interface ShownCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

/** What tests look at of a custom resource. */
export interface Shown {
  readonly metadata: {
    readonly generation: number;
    readonly resourceVersion: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly finalizers?: readonly string[];
  };
  readonly status?: {
    readonly observedGeneration: number;
    readonly conditions: readonly ShownCondition[];
    readonly cloud?: { readonly ready: number };
    readonly activeVersion?: number;
    readonly placements?: readonly { readonly node: string; readonly state: string }[];
  };
}

export const conditionOf = (shown: Shown, type: string): ShownCondition | undefined =>
  shown.status?.conditions.find((each) => each.type === type);

/**
 * A control plane, an edge node and a cloud node beside a real cluster, whose custom resources it carries out with the rights
 * of its service account and no others. There are no pods. The model `digits` is published.
 */
export class DeclaredSkerry {
  static readonly BASE = path.resolve(import.meta.dirname, "../../../deploy/kustomize/base");
  readonly kubernetes: Kubernetes;
  readonly cluster: SkerryCluster;
  /** Through which the control plane, and nobody else, reaches the API server. */
  readonly proxy: ApiProxy;
  readonly #database: TestDatabase;

  private constructor(parts: {
    kubernetes: Kubernetes;
    proxy: ApiProxy;
    cluster: SkerryCluster;
    database: TestDatabase;
  }) {
    this.kubernetes = parts.kubernetes;
    this.proxy = parts.proxy;
    this.cluster = parts.cluster;
    this.#database = parts.database;
  }

  static async start(): Promise<DeclaredSkerry> {
    const kubernetes = await Kubernetes.start();
    await kubernetes.kubectl(["apply", "-k", DeclaredSkerry.BASE]);
    await kubernetes.kubectl(["-n", "skerry", "scale", "deployment", "--all", "--replicas=0"]);
    const proxy = await ApiProxy.start(kubernetes);
    const database = await startTestDatabase();
    const token = await kubernetes.tokenOf("skerry/skerry-control-plane");
    const cluster = await SkerryCluster.start(database.url, {
      KUBECONFIG: await kubernetes.kubeconfig("control-plane", token, proxy.url),
      SKERRY_KUBERNETES_NAMESPACE: "skerry",
    });
    await Promise.all([cluster.addNode("edge-a"), cluster.addNode("cloud-a", { kind: "cloud" })]);
    await cluster.publish("digits", identityModel("FP32", ["n", 2]));
    return new DeclaredSkerry({ kubernetes, proxy, cluster, database });
  }

  async stop(): Promise<void> {
    await this.cluster.stop();
    await this.#database.stop();
    await this.proxy.stop();
    await this.kubernetes.stop();
  }

  async restart(): Promise<void> {
    this.cluster.restartControlPlane();
    await this.cluster.whenControlPlaneReady();
  }

  /** In Skerry's namespace. */
  kubectl(args: readonly string[], input = "", env: NodeJS.ProcessEnv = {}): Promise<string> {
    return this.kubernetes.kubectl(["-n", "skerry", ...args], input, env);
  }

  apply(name: string, spec: object, kind: Kind = "ModelDeployment"): Promise<string> {
    const object = { apiVersion: "skerry.dev/v1alpha1", kind, metadata: { name, namespace: "skerry" }, spec };
    return this.kubectl(["apply", "-f", "-"], JSON.stringify(object));
  }

  async show(name: string, kind: Kind = "ModelDeployment"): Promise<Shown> {
    return (await this.kubernetes.get(`${LISTS}/${PLURALS[kind]}/${name}`)) as Shown;
  }

  /** `what`: as `mdep/digits`. */
  whenReady(what: string): Promise<string> {
    return this.kubectl(["wait", "--for=condition=Ready", what, "--timeout=60s"]);
  }

  /** The API server was started anew and can be watched: a while after it answers first, it refuses watches. */
  async whenApiServes(): Promise<void> {
    await this.kubernetes.whenReady();
    const serves = async (plural: string): Promise<boolean> => {
      const list = (await this.kubernetes.get(`${LISTS}/${plural}`)) as { metadata: { resourceVersion: string } };
      const query = `watch=true&timeoutSeconds=1&resourceVersion=${list.metadata.resourceVersion}`;
      return (await this.kubernetes.admin("GET", `${LISTS}/${plural}?${query}`)).status === 200;
    };
    for (const plural of Object.values(PLURALS))
      await until(`${plural} can be watched`, () => serves(plural).catch(() => false), 60_000);
  }

  /** Its status is of the newest generation. */
  whenObserved(name: string, kind: Kind = "ModelDeployment"): Promise<Shown> {
    return until(
      `the newest generation of ${name} is observed`,
      async () => {
        const shown = await this.show(name, kind);
        return shown.status?.observedGeneration === shown.metadata.generation ? shown : undefined;
      },
      60_000,
    );
  }

  /** Lines of the control plane's log with all of these words. */
  logged(...words: readonly string[]): readonly string[] {
    const lines = this.cluster.controlPlane.output.split("\n");
    return lines.filter((line) => words.every((word) => line.includes(word)));
  }

  whenCondition(name: string, type: string, reason: string, kind: Kind = "ModelDeployment"): Promise<Shown> {
    return until(
      `${type} of ${name} is ${reason}`,
      async () => {
        const shown = await this.show(name, kind);
        return conditionOf(shown, type)?.reason === reason ? shown : undefined;
      },
      30_000,
    );
  }

  async deployed(name: string): Promise<Deployment | undefined> {
    return (await this.cluster.get<{ items: Deployment[] }>("/deployments")).items.find((each) => each.name === name);
  }
}
