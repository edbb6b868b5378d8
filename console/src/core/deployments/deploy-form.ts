/** Of a deployment's spec, what the form shows. */
interface Spec {
  readonly name: string;
  readonly model: string;
  readonly version: number | string;
  readonly placement: {
    readonly where: {
      readonly matchLabels: Readonly<Record<string, string>>;
      readonly matchExpressions: readonly unknown[];
    };
    readonly edge: Count;
    readonly cloud: Count;
  };
}

interface Count {
  readonly min: number;
  readonly max?: number | undefined;
  readonly every: boolean;
}

interface Replicas {
  readonly min: number;
  /** Undefined: as many as the least. */
  readonly max: number | undefined;
  /** One on every node of the kind that matches: the numbers do not count then. */
  readonly every: boolean;
}

/** What the form of a deployment asks for. Everything else of a spec stays as it was. */
export interface DeployForm {
  readonly name: string;
  readonly model: string;
  /** The number of a version, or an alias. */
  readonly version: string;
  readonly edge: Replicas;
  readonly cloud: Replicas;
  /** Labels that a node must have: `gpu=true, hall=north`. */
  readonly labels: string;
}

/** For a model that is deployed for the first time: one replica at the edge. `taken`: names of deployments. */
export const newForm = (model: string, version: string, taken: ReadonlySet<string>): DeployForm => ({
  name: freeName(model, taken),
  model,
  version,
  edge: { min: 1, max: undefined, every: false },
  cloud: { min: 0, max: undefined, every: false },
  labels: "",
});

/** `digits`, or `digits-2` where there is one of that name. */
function freeName(model: string, taken: ReadonlySet<string>): string {
  if (!taken.has(model)) return model;
  for (let at = 2; ; at += 1) {
    const name = `${model.slice(0, 58)}-${at}`;
    if (!taken.has(name)) return name;
  }
}

export const formOf = ({ name, model, version, placement: { where, edge, cloud } }: Spec): DeployForm => ({
  name,
  model,
  version: String(version),
  edge: replicasOf(edge),
  cloud: replicasOf(cloud),
  labels: Object.entries(where.matchLabels)
    .map(([label, value]) => `${label}=${value}`)
    .join(", "),
});

const replicasOf = ({ min, max, every }: Count): Replicas => ({ min, max, every });

/** The labels of a text, or what is wrong with it. */
function labelsOf(text: string): Record<string, string> | string {
  const labels: Record<string, string> = {};
  for (const part of text.split(",").map((each) => each.trim())) {
    if (part === "") continue;
    const [label = "", ...value] = part.split("=");
    if (label === "" || value.length !== 1) return `“${part}” is no label: write name=value.`;
    labels[label.trim()] = value.join("").trim();
  }
  return labels;
}

const asksForNone = ({ min, max = 0, every }: Replicas): boolean => !every && min === 0 && max === 0;

/** Why the form is no spec yet; undefined: it is one. The control plane checks the rest. */
export function problemOf({ name, version, edge, cloud, labels }: DeployForm): string | undefined {
  if (name === "") return "Give it a name.";
  if (version === "") return "Choose a version.";
  const read = labelsOf(labels);
  if (typeof read === "string") return read;
  for (const { min, max, every } of [edge, cloud])
    if (!every && max !== undefined && max < min) return "The most replicas must not be fewer than the least.";
  if (asksForNone(edge) && asksForNone(cloud)) return "Ask for a replica, at the edge or in the cloud.";
  return undefined;
}

/** The spec that a form without a problem asks for; `base`: the one that it changes. The control plane adds its defaults. */
export function specOf<Of extends Spec>(form: DeployForm, base?: Of): Of {
  const { name, model, version, edge, cloud } = form;
  const labels = labelsOf(form.labels);
  const where = {
    matchExpressions: base?.placement.where.matchExpressions ?? [],
    matchLabels: typeof labels === "string" ? {} : labels,
  };
  const spec: Spec = {
    ...base,
    name,
    model,
    version: /^\d+$/.test(version) ? Number(version) : version,
    placement: {
      ...base?.placement,
      where,
      edge: countOf(edge),
      cloud: countOf(cloud),
    },
  };
  // The type is that of an answer, in which no default is left out.
  return spec as Of;
}

const countOf = ({ min, max, every }: Replicas): Count =>
  every ? { min: 0, every } : { min, ...(max !== undefined && { max }), every };
