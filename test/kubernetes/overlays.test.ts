import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { parseAllDocuments } from "yaml";
import { SETTINGS } from "../../control-plane/settings/settings.ts";
import { until } from "../support/processes/skerry-process.ts";
import { Kubernetes } from "./support/kubernetes.ts";

const DEPLOY = path.resolve(import.meta.dirname, "../../deploy/kustomize");
/** Of other projects: their definitions come with the programs of the tests. */
const DEFINITIONS = path.join(Kubernetes.programs, "definitions");
const COMPONENTS = {
  ingress: [],
  "spot-pool": [],
  tls: [],
  "cert-manager": ["issuers", "certificates"],
  gateway: ["httproutes"],
  monitoring: ["servicemonitors", "prometheusrules"],
} as const;

let kubernetes: Kubernetes;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-overlays-"));
  kubernetes = await Kubernetes.start();
  await kubernetes.kubectl(["apply", "-f", path.join(DEPLOY, "base/namespace.yaml")]);
  if (existsSync(DEFINITIONS)) await kubernetes.kubectl(["apply", "--server-side", "-f", DEFINITIONS]);
}, 120_000);

afterAll(async () => {
  await kubernetes?.stop();
  await rm(directory, { recursive: true, force: true });
}, 60_000);

/** The server's answer to every object; a violation of the namespace's profile would be a warning among them. */
const dryRun = async (folder: string): Promise<readonly string[]> =>
  (await kubernetes.kubectl(["apply", "-k", folder, "--dry-run=server"])).trim().split("\n");

const isClean = (line: string): boolean => /^\S+ (created|unchanged|configured) \(server dry run\)$/.test(line);

async function productionWith(component: string): Promise<string> {
  const file = path.join(directory, "kustomization.yaml");
  const at = (place: string): string => path.relative(directory, path.join(DEPLOY, place));
  await writeFile(
    file,
    JSON.stringify({ resources: [at("overlays/production")], components: [at(`components/${component}`)] }),
  );
  return directory;
}

describe("the namespace", () => {
  it("enforces the restricted profile", async () => {
    await kubernetes.tokenOf("skerry/default"); // made a while after the namespace, and pods wait for it
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p" },
      spec: { containers: [{ name: "c", image: "i" }] },
    };
    await expect(
      kubernetes.kubectl(["-n", "skerry", "apply", "--dry-run=server", "-f", "-"], JSON.stringify(pod)),
    ).rejects.toThrow('violates PodSecurity "restricted:latest"');
  });
});

describe("a dry run on the server", () => {
  it.each(["base", "overlays/dev", "overlays/production"])("takes all of %s without a warning", async (folder) => {
    expect((await dryRun(path.join(DEPLOY, folder))).filter((line) => !isClean(line))).toEqual([]);
  });

  it.each(Object.entries(COMPONENTS))("takes production with the component %s", async (component, kinds) => {
    const known = (await kubernetes.kubectl(["api-resources", "-o", "name"])).split("\n");
    const missing = kinds.filter((kind) => !known.some((name) => name.startsWith(`${kind}.`)));
    // Without Go's modules there are no definitions of other projects: all else is still looked at.
    if (missing.length > 0) {
      const text = await kubernetes.kubectl(["kustomize", await productionWith(component)]);
      expect(text).toContain("kind: ");
      return;
    }
    expect((await dryRun(await productionWith(component))).filter((line) => !isClean(line))).toEqual([]);
  });
});

interface Rendered {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly replicas?: number;
    readonly template: {
      readonly spec: {
        readonly containers: readonly { readonly env: readonly { readonly name: string }[] }[];
        readonly volumes: readonly object[];
      };
    };
  };
}

describe("the overlay production", () => {
  it("has several control planes, which keep nothing in a volume and have settings that there are", async () => {
    const text = await kubernetes.kubectl(["kustomize", path.join(DEPLOY, "overlays/production")]);
    const objects = parseAllDocuments(text).map((document) => document.toJS() as Rendered);
    const named = objects.filter(({ metadata }) => metadata.name === "skerry-control-plane");
    expect(objects.map(({ kind }) => kind)).not.toContain("PersistentVolumeClaim");
    expect(named.map(({ kind }) => kind)).toContain("PodDisruptionBudget");
    const deployment = named.find(({ kind }) => kind === "Deployment");
    expect(deployment?.spec.replicas).toBe(2);
    const { containers = [], volumes = [] } = deployment?.spec.template.spec ?? {};
    expect(volumes).toEqual([
      { name: "data", emptyDir: {} },
      { name: "admin", secret: expect.objectContaining({ secretName: "skerry-admin" }) },
      { name: "tmp", emptyDir: {} },
    ]);
    const names = containers.flatMap(({ env }) => env.map(({ name }) => name));
    expect(names.filter((name) => !SETTINGS.has(name))).toEqual(["POD_IP"]);
  });
});

describe("the overlay dev, applied", () => {
  it("gets its pods past the admission of the restricted profile", async () => {
    await kubernetes.kubectl(["apply", "-k", path.join(DEPLOY, "overlays/dev")]);
    const expected = ["skerry-control-plane-", "skerry-node-", "skerry-postgres-0"];
    await until(
      "each workload has a pod",
      async () => {
        const pods = (await kubernetes.kubectl(["-n", "skerry", "get", "pods", "-o", "name"])).split("\n");
        return expected.every((name) => pods.some((pod) => pod.startsWith(`pod/${name}`)));
      },
      60_000,
    );
    const events = await kubernetes.kubectl(["-n", "skerry", "get", "events"]);
    expect(events).not.toContain("FailedCreate");
  }, 90_000);
});

describe("the page about Kubernetes", () => {
  it("names every overlay and component", async () => {
    const page = await readFile(path.resolve(DEPLOY, "../../docs/kubernetes.md"), "utf8");
    for (const name of ["overlays/dev", "overlays/production", ...Object.keys(COMPONENTS)])
      expect(page).toContain(name);
  });
});
