import type { z } from "zod";
import { cloudPoolResourceSpec, cloudPoolStatus } from "../../shared/api/v1alpha1/cloud-pool.ts";
import { edgeNodeSpec, edgeNodeStatus } from "../../shared/api/v1alpha1/edge-node.ts";
import { modelDeploymentSpec, modelDeploymentStatus } from "../../shared/api/v1alpha1/model-deployment.ts";
import { modelSpec, modelStatus } from "../../shared/api/v1alpha1/model.ts";
import { GROUP, VERSION } from "../../shared/api/v1alpha1/resource.ts";
import { structuralSchema, type Rule, type StructuralSchema } from "./structural-schema.ts";
import { extended, type FieldExtension } from "./with-rules.ts";

interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "date" | "boolean";
  readonly jsonPath: string;
  /** Above 0: only with `-o wide`. */
  readonly priority?: number;
  readonly description?: string;
}

interface CustomResource {
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly description: string;
  readonly spec: z.ZodType;
  /** Fields of the spec that the object's metadata has. */
  readonly specWithout?: readonly string[];
  readonly status: z.ZodType;
  readonly extensions: Readonly<Record<string, FieldExtension>>;
  readonly columns: readonly Column[];
  readonly scale?: { readonly specReplicasPath: string; readonly statusReplicasPath: string };
}

const condition = (type: string, field: "status" | "reason" | "message"): string =>
  `.status.conditions[?(@.type=="${type}")].${field}`;
const AGE: Column = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };
const CONDITIONS = { "status.conditions": { listMapKeys: ["type"] } } as const;
const NAME_RULE: Rule = {
  rule: "self.metadata.name.size() <= 63",
  message: "the name becomes the name in Skerry: 63 characters at most",
};

const residencyRule = (kind: "edge" | "cloud", residency: string): Rule => ({
  rule: `self.residency != '${residency}' || (self.${kind}.min == 0 && !self.${kind}.every && (!has(self.${kind}.max) || self.${kind}.max == 0))`,
  message: `cannot ask for ${kind} replicas while \`residency\` is ${residency}`,
  fieldPath: `.${kind}`,
});

const COUNT_RULES: readonly Rule[] = [
  { rule: "!has(self.max) || self.max >= self.min", message: "must not be below `min`", fieldPath: ".max" },
  {
    rule: "!has(self.max) || !self.every",
    message: "cannot be combined with `every`, which places one replica on each matching node",
    fieldPath: ".max",
  },
];

const WAVE_RULES: readonly Rule[] = [
  {
    rule: "[has(self.percent), has(self.replicas), has(self.zone), has(self.where)].filter(given, given).size() == 1",
    message: "must have exactly one of `percent`, `replicas`, `zone` and `where`",
  },
];

const FREEZE_RULES: readonly Rule[] = [
  { rule: "self.from != self.to", message: "must differ from `from`", fieldPath: ".to" },
  {
    rule: "self.days.size() < 7 || self.from != '00:00' || self.to != '24:00'",
    message: "must leave a time in which a wave can begin: name fewer days, or `from` and `to`",
    fieldPath: ".days",
  },
];

const GATE_RULES: readonly Rule[] = [
  {
    // The gate's own default has none of its fields, and the API server judges it without them.
    rule: "!has(self.useSamples) || !self.useSamples || (has(self.minRequests) && self.minRequests > 0)",
    message: "needs `minRequests`, which says how many requests samples make up for",
    fieldPath: ".useSamples",
  },
];

const eachOnce = (what: string): Rule => ({
  rule: "self.all(each, self.exists_one(other, other == each))",
  message: `must name each ${what} once`,
});

const ROLLOUT_RULES: readonly Rule[] = [
  ...["blue-green", "recreate"].map((strategy) => ({
    rule: `self.strategy != '${strategy}' || !has(self.waves)`,
    message: `cannot be combined with \`${strategy}\``,
    fieldPath: ".waves",
  })),
  {
    rule: "!has(self.waves) || (self.waves.filter(wave, has(wave.percent)).map(wave, wave.percent).isSorted() && self.waves.filter(wave, has(wave.percent)).all(wave, self.waves.exists_one(other, has(other.percent) && other.percent == wave.percent)))",
    message: "must have rising `percent`s",
    fieldPath: ".waves",
  },
];

/** What the resource definition of each kind has beyond its schema. */
export const CUSTOM_RESOURCES: readonly CustomResource[] = [
  {
    kind: "ModelDeployment",
    plural: "modeldeployments",
    shortNames: ["mdep"],
    description: "What should serve: a model at a version, on which nodes and how many of them. Skerry decides where.",
    spec: modelDeploymentSpec,
    specWithout: ["name"],
    status: modelDeploymentStatus,
    extensions: {
      "": { rules: [NAME_RULE] },
      "spec.model": {
        rules: [
          { rule: "self == oldSelf", message: "a deployment keeps its model: declare another one for another model" },
        ],
      },
      "spec.placement": { rules: [residencyRule("cloud", "edge-only"), residencyRule("edge", "cloud-only")] },
      "spec.placement.edge": { rules: COUNT_RULES },
      "spec.placement.cloud": { rules: COUNT_RULES },
      "spec.streams": {
        rules: [
          {
            rule: "self.all(stream, self.exists_one(other, other.name == stream.name))",
            message: "must not share a name",
          },
        ],
      },
      "spec.rollout": { rules: ROLLOUT_RULES },
      "spec.rollout.waves[]": { rules: WAVE_RULES },
      "spec.rollout.gate": { rules: GATE_RULES },
      "spec.rollout.freeze[]": { rules: FREEZE_RULES },
      "spec.rollout.freeze[].days": { rules: [eachOnce("day")] },
      "spec.rollout.approval": { rules: [eachOnce("stage")] },
      ...CONDITIONS,
    },
    scale: { specReplicasPath: ".spec.placement.cloud.min", statusReplicasPath: ".status.cloud.placed" },
    columns: [
      { name: "Ready", type: "string", jsonPath: condition("Ready", "status") },
      { name: "Reason", type: "string", jsonPath: condition("Ready", "reason") },
      { name: "Model", type: "string", jsonPath: ".spec.model" },
      { name: "Version", type: "string", jsonPath: ".spec.version" },
      { name: "Active", type: "integer", jsonPath: ".status.activeVersion", description: "The version that answers." },
      { name: "Edge", type: "integer", jsonPath: ".status.edge.ready", description: "Ready replicas on edge nodes." },
      {
        name: "Cloud",
        type: "integer",
        jsonPath: ".status.cloud.ready",
        description: "Ready replicas on cloud nodes.",
      },
      AGE,
      { name: "Nodes", type: "string", jsonPath: ".status.placements[*].node", priority: 1 },
      { name: "Message", type: "string", jsonPath: condition("Ready", "message"), priority: 1 },
    ],
  },
  {
    kind: "Model",
    plural: "models",
    shortNames: ["mdl"],
    description:
      "A model of the registry: its labels, and which version each alias names. Versions are pushed, not declared.",
    spec: modelSpec,
    status: modelStatus,
    extensions: {
      "": { rules: [NAME_RULE] },
      "spec.aliases": { listMapKeys: ["name"] },
      "spec.aliases[]": {
        rules: [
          {
            rule: "has(self.version) != has(self.digest)",
            message: "an alias names a version by `version` or by `digest`, and by one",
          },
        ],
      },
      "status.aliases": { listMapKeys: ["name"] },
      ...CONDITIONS,
    },
    columns: [
      { name: "Ready", type: "string", jsonPath: condition("Ready", "status") },
      { name: "Reason", type: "string", jsonPath: condition("Ready", "reason") },
      { name: "Latest", type: "integer", jsonPath: ".status.latestVersion" },
      { name: "Aliases", type: "string", jsonPath: ".status.aliases[*].name" },
      AGE,
      { name: "Message", type: "string", jsonPath: condition("Ready", "message"), priority: 1 },
    ],
  },
  {
    kind: "EdgeNode",
    plural: "edgenodes",
    shortNames: ["enode"],
    description: "An edge node that joined. Skerry makes and removes these objects; `spec` cordons, drains and labels.",
    spec: edgeNodeSpec,
    status: edgeNodeStatus,
    extensions: {
      "": { rules: [NAME_RULE] },
      spec: {
        rules: [
          {
            rule: "!has(self.draining) || !self.draining || (has(self.cordoned) && self.cordoned)",
            message: "a node that drains is cordoned: set `cordoned` too",
            fieldPath: ".draining",
          },
        ],
      },
      ...CONDITIONS,
    },
    columns: [
      { name: "State", type: "string", jsonPath: ".status.state" },
      { name: "Cordoned", type: "boolean", jsonPath: ".status.cordoned" },
      { name: "Site", type: "string", jsonPath: ".status.site" },
      { name: "Zone", type: "string", jsonPath: ".status.zone" },
      { name: "Models", type: "string", jsonPath: ".status.models[*].model" },
      AGE,
      { name: "Agent", type: "string", jsonPath: ".status.agentVersion", priority: 1 },
    ],
  },
  {
    kind: "CloudPool",
    plural: "cloudpools",
    shortNames: ["cpool"],
    description: "A Deployment of nodes in this namespace that Skerry scales with demand, within bounds.",
    spec: cloudPoolResourceSpec,
    specWithout: ["name", "namespace"],
    status: cloudPoolStatus,
    extensions: {
      "": { rules: [NAME_RULE] },
      spec: { rules: [{ rule: "self.max >= self.min", message: "must not be below `min`", fieldPath: ".max" }] },
      "spec.deployment": {
        rules: [
          { rule: "self == oldSelf", message: "a pool keeps its Deployment: declare another pool for another one" },
        ],
      },
      ...CONDITIONS,
    },
    scale: { specReplicasPath: ".spec.min", statusReplicasPath: ".status.replicas" },
    columns: [
      { name: "Ready", type: "string", jsonPath: condition("Ready", "status") },
      { name: "Deployment", type: "string", jsonPath: ".spec.deployment" },
      { name: "Min", type: "integer", jsonPath: ".spec.min" },
      { name: "Max", type: "integer", jsonPath: ".spec.max" },
      { name: "Wanted", type: "integer", jsonPath: ".status.wanted", description: "Pods that the load asks for." },
      { name: "Nodes", type: "integer", jsonPath: ".status.ready", description: "Pods that are ready nodes." },
      AGE,
      { name: "Trouble", type: "string", jsonPath: ".status.trouble", priority: 1 },
    ],
  },
];

/** The CustomResourceDefinition of a kind. */
export function definitionOf(of: CustomResource): object {
  const { kind, plural, shortNames, description, columns, scale } = of;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: "Namespaced",
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames,
        categories: ["skerry"],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          subresources: { status: {}, ...(scale && { scale }) },
          additionalPrinterColumns: columns,
          schema: { openAPIV3Schema: { description, ...schemaOf(of) } },
        },
      ],
    },
  };
}

function schemaOf({ spec, specWithout = [], status, extensions }: CustomResource): StructuralSchema {
  const object = {
    type: "object",
    required: ["spec"],
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: { type: "object" },
      spec: without(structuralSchema(spec), specWithout),
      status: structuralSchema(status),
    },
  };
  return extended(object, extensions);
}

function without(schema: StructuralSchema, names: readonly string[]): StructuralSchema {
  const { properties = {}, required, ...rest } = schema;
  return {
    ...rest,
    properties: Object.fromEntries(Object.entries(properties).filter(([name]) => !names.includes(name))),
    ...(required && { required: required.filter((name) => !names.includes(name)) }),
  };
}
