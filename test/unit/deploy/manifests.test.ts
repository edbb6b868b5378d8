import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { parse, parseAllDocuments } from "yaml";
import { CONTROL_PLANE, EDGE_NODE } from "../../../cli/processes/programs.ts";
import { SETTINGS as CONTROL_PLANE_SETTINGS } from "../../../control-plane/settings/settings.ts";
import { SETTINGS as NODE_SETTINGS } from "../../../edge-node/settings.ts";
import { VERSION } from "../../../shared/base/version.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");
const DEPLOY = path.join(ROOT, "deploy/kustomize");

interface Container {
  readonly name: string;
  readonly command?: readonly string[];
  readonly env?: readonly { readonly name: string }[];
  readonly startupProbe?: unknown;
  readonly livenessProbe?: unknown;
  readonly readinessProbe?: unknown;
  readonly resources?: { readonly requests?: object; readonly limits?: { readonly memory?: string } };
  readonly securityContext?: object;
}
interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec?: {
    readonly template?: {
      readonly spec: { readonly containers: readonly Container[]; readonly securityContext?: object };
    };
  };
}
interface Component {
  readonly patches?: readonly { readonly target: { readonly kind: string }; readonly patch: string }[];
}
interface Patch {
  readonly spec: {
    readonly template: {
      readonly spec: { readonly containers: readonly Container[]; readonly volumes?: readonly object[] };
    };
  };
}

const manifests = globSync("**/*.yaml", { cwd: DEPLOY })
  .toSorted((a, b) => a.localeCompare(b))
  .flatMap((file) =>
    parseAllDocuments(readFileSync(path.join(DEPLOY, file), "utf8"), { strict: true }).map((document) => {
      if (document.errors.length > 0) throw new Error(`${file}: ${document.errors.join("; ")}`);
      return document.toJS() as Manifest;
    }),
  );
const workloads = manifests.flatMap(({ metadata, spec }) =>
  spec?.template ? [{ name: metadata.name, ...spec.template.spec }] : [],
);
const containers = workloads.flatMap(({ name, containers: all }) =>
  all.map((container) => ({ of: name, ...container })),
);

/** What the components there change in the pods of workloads. */
const patchesIn = (components: string) =>
  globSync(`${components}/kustomization.yaml`, { cwd: DEPLOY }).flatMap((file) => {
    const { patches = [] } = parse(readFileSync(path.join(DEPLOY, file), "utf8")) as Component;
    return patches.flatMap(({ target, patch }) =>
      target.kind === "Deployment" ? [(parse(patch) as Patch).spec.template.spec] : [],
    );
  });

describe("the manifests in deploy/", () => {
  it("run both programs", () => {
    expect(workloads.map(({ name }) => name)).toEqual(expect.arrayContaining(["skerry-control-plane", "skerry-node"]));
  });

  it.each(workloads)(
    "run $name as an ordinary user under the restricted profile",
    ({ securityContext, containers: all }) => {
      expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
      for (const container of all)
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        });
    },
  );

  it.each(containers)("bound the memory of $of and say when it is ready", ({ resources, readinessProbe }) => {
    expect(resources).toMatchObject({ requests: expect.any(Object), limits: { memory: expect.any(String) } });
    expect(readinessProbe).toBeDefined();
  });

  it.each([
    ["skerry-control-plane", CONTROL_PLANE, CONTROL_PLANE_SETTINGS],
    ["skerry-node", EDGE_NODE, NODE_SETTINGS],
  ] as const)("start %s as the command line does, with settings that it has", (name, program, settings) => {
    const [container] = containers.filter(({ of }) => of === name);
    expect(container?.command).toEqual(["node", ...program.nodeFlags, path.relative(ROOT, program.script)]);
    expect(container?.env?.map((variable) => variable.name).filter((each) => !settings.has(each))).toEqual([]);
  });

  it("have components that set what the programs know", () => {
    const known = (name: string): boolean =>
      CONTROL_PLANE_SETTINGS.has(name) || NODE_SETTINGS.has(name) || name === "POD_IP";
    const names = patchesIn("components/*").flatMap(({ containers: all }) =>
      all.flatMap(({ env = [] }) => env.map(({ name }) => name)),
    );
    expect(names.length).toBeGreaterThan(10);
    expect(names.filter((name) => !known(name))).toEqual([]);
  });

  it("probe a control plane with TLS by it, and give nodes the authority alone", () => {
    const [controlPlane, node] = patchesIn("components/tls");
    const [{ startupProbe, livenessProbe, readinessProbe } = {}] = controlPlane?.containers ?? [];
    for (const probe of [startupProbe, livenessProbe, readinessProbe])
      expect(probe).toEqual({ httpGet: { scheme: "HTTPS" } });
    expect(node?.volumes).toEqual([
      { name: "tls", secret: { secretName: "skerry-tls", items: [{ key: "ca.crt", path: "ca.crt" }] } },
    ]);
  });

  it("name the version of this checkout", () => {
    const base = readFileSync(path.join(DEPLOY, "base/kustomization.yaml"), "utf8");
    expect(base).toContain(`newTag: ${VERSION}\n`);
  });
});
