import { copyFile, mkdtemp, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { KubernetesApi } from "../../control-plane/adapters/kubernetes/api-client.ts";
import { CustomResourceClient } from "../../control-plane/adapters/kubernetes/custom-resource-client.ts";
import { serviceAccount } from "../../control-plane/adapters/kubernetes/credentials.ts";
import { CUSTOM_RESOURCES, definitionOf } from "../../scripts/crds/custom-resources.ts";
import { messageOf } from "../../shared/base/errors.ts";
import { REFUSED_SPECS } from "../support/kubernetes/refused-specs.ts";
import { until } from "../support/processes/skerry-process.ts";
import { apiOf, Kubernetes } from "./support/kubernetes.ts";

const DEPLOY = path.resolve(import.meta.dirname, "../../deploy");
let kubernetes: Kubernetes;

beforeAll(async () => {
  kubernetes = await Kubernetes.start();
  await kubernetes.kubectl(["apply", "-k", path.join(DEPLOY, "crds")]);
  for (const { plural } of CUSTOM_RESOURCES)
    await kubernetes.kubectl(["wait", "--for=condition=Established", `crd/${plural}.skerry.dev`, "--timeout=30s"]);
}, 120_000);

afterAll(async () => {
  await kubernetes?.stop();
}, 60_000);

const manifest = (kind: string, name: string, spec: object): string =>
  JSON.stringify({ apiVersion: "skerry.dev/v1alpha1", kind, metadata: { name, namespace: "default" }, spec });

/** What kubectl says when the server takes the object or refuses it. */
const apply = (input: string, ...flags: readonly string[]): Promise<string> =>
  kubernetes.kubectl(["apply", "-f", "-", ...flags], input).catch(messageOf);

describe("the definitions, read back from the API server", () => {
  it.each(CUSTOM_RESOURCES.map((of) => [of.plural, of] as const))("of %s have lost nothing", async (plural, of) => {
    const stored = await kubernetes.get(`/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${plural}.skerry.dev`);
    expect(stored).toMatchObject(JSON.parse(JSON.stringify(definitionOf(of))));
  });

  it("have short names and one category", async () => {
    const names = (await kubernetes.kubectl(["api-resources", "--categories=skerry", "--no-headers"]))
      .trim()
      .split("\n");
    expect(names.map((line) => line.split(/\s+/).slice(0, 2).join(" ")).toSorted()).toEqual([
      "cloudpools cpool",
      "edgenodes enode",
      "modeldeployments mdep",
      "models mdl",
    ]);
  });
});

describe("the API server", () => {
  it.each(REFUSED_SPECS.map((each) => [each.what, each] as const))(
    "refuses %s in Skerry's words",
    async (_, { kind, spec, sentence }) => {
      expect(await apply(manifest(kind, "refused", spec), "--dry-run=server")).toContain(sentence);
    },
  );

  it("refuses a name that is longer than a name in Skerry", async () => {
    const input = manifest("ModelDeployment", "d".repeat(64), { model: "digits", version: 1 });
    expect(await apply(input, "--dry-run=server")).toContain("63 characters at most");
  });

  it("refuses a field that is no field", async () => {
    const input = manifest("ModelDeployment", "refused", { model: "digits", version: 1, replicas: 3 });
    expect(await apply(input, "--dry-run=server")).toContain('unknown field "spec.replicas"');
  });

  it("keeps the model of a deployment, and lets the rest change", async () => {
    const spec = { model: "digits", version: 1 };
    expect(await apply(manifest("ModelDeployment", "digits", spec))).toContain("created");
    expect(await apply(manifest("ModelDeployment", "digits", { ...spec, version: "champion" }))).toContain(
      "configured",
    );
    expect(await apply(manifest("ModelDeployment", "digits", { ...spec, model: "letters" }))).toContain(
      "a deployment keeps its model: declare another one for another model",
    );
  });

  it("fills in the API's defaults, so that a scale has something to read", async () => {
    const scale = async (): Promise<unknown> =>
      kubernetes.get("/apis/skerry.dev/v1alpha1/namespaces/default/modeldeployments/digits/scale");
    // A scale leaves a 0 out; without the defaults this answer would be a 500.
    expect(await scale()).toMatchObject({ kind: "Scale", spec: {} });
    await kubernetes.kubectl(["scale", "mdep/digits", "--replicas=2"]);
    await until("it is scaled", async () => JSON.stringify(await scale()).includes('"replicas":2'));
    expect(await kubernetes.get("/apis/skerry.dev/v1alpha1/namespaces/default/modeldeployments/digits")).toMatchObject({
      spec: { placement: { residency: "any", edge: { min: 1 }, cloud: { min: 2, every: false } } },
    });
  });
});

describe("a watch", () => {
  it("tells of what happens, and says when a version is too old to go on from", async () => {
    const token = await kubernetes.tokenOf("default/default");
    await kubernetes.kubectl([
      "create",
      "clusterrolebinding",
      "watcher",
      "--clusterrole=cluster-admin",
      "--serviceaccount=default:default",
    ]);
    const client = new CustomResourceClient(apiOf(kubernetes.url, token), {
      namespace: "default",
      now: () => Date.now(),
    });
    const { resourceVersion } = await until("it may list", () => client.list("ModelDeployment").catch(() => undefined));
    const first = async (after: string): Promise<unknown> => {
      const stop = new AbortController();
      for await (const change of client.watch("ModelDeployment", after, stop.signal)) {
        stop.abort();
        return change;
      }
      return "ended";
    };
    const seen = first(resourceVersion);
    await apply(manifest("ModelDeployment", "watched", { model: "digits", version: 1 }));
    expect(await seen).toMatchObject({ type: "changed", resource: { metadata: { name: "watched" } } });
    expect(await first("1")).toEqual({ type: "expired" });
  }, 60_000);
});

describe("the credentials of a pod", () => {
  it("are its service account's, read again when the kubelet has renewed the token", async () => {
    const folder = await mkdtemp(path.join(kubernetes.directory, "service-account-"));
    await copyFile(path.join(kubernetes.directory, "certs/apiserver.crt"), path.join(folder, "ca.crt"));
    const write = async (account: string): Promise<void> =>
      writeFile(path.join(folder, "token"), await kubernetes.tokenOf(account));
    await write("default/default");
    const api = new KubernetesApi(serviceAccount(kubernetes.url, folder));
    const whoami = async (): Promise<unknown> =>
      (
        await api.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {
          apiVersion: "authentication.k8s.io/v1",
          kind: "SelfSubjectReview",
        })
      ).body;
    expect(await whoami()).toMatchObject({
      status: { userInfo: { username: "system:serviceaccount:default:default" } },
    });
    await write("kube-system/default");
    expect(await whoami()).toMatchObject({
      status: { userInfo: { username: "system:serviceaccount:kube-system:default" } },
    });
  });
});

describe("each overlay", () => {
  it.each(["dev", "production"])("%s is taken as it is, by a namespace that enforces `restricted`", async (overlay) => {
    // The namespace has to be there for the dry run of what is in it.
    await kubernetes.kubectl(["apply", "-f", path.join(DEPLOY, "kustomize/base/namespace.yaml")]);
    const said = await kubernetes.kubectl([
      "apply",
      "-k",
      path.join(DEPLOY, "kustomize/overlays", overlay),
      "--dry-run=server",
    ]);
    expect(said).not.toMatch(/warning|would violate|error/i);
    expect(said).toContain("deployment.apps/skerry-control-plane created (server dry run)");
  });
});
