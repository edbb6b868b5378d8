import type { z } from "zod";
import { cloudPoolSpec, type CloudPoolSpec } from "../../shared/api/v1/nodes/cloud-pools.ts";
import { deploymentSpec, type DeploymentSpec } from "../../shared/api/v1/deployments/deployment-spec.ts";
import { unknownFieldMessage } from "../../shared/api/v1/known-fields.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { parseDocuments, readSource, type SpecDocument } from "./read-documents.ts";

export interface Declarations {
  readonly pools: readonly CloudPoolSpec[];
  readonly deployments: readonly DeploymentSpec[];
}

/** What files declare; `-` is stdin. Throws a failure that names the places in them. */
export async function readDeclarationFiles(
  files: readonly string[],
  stdin: AsyncIterable<Uint8Array | string>,
): Promise<Declarations> {
  const documents: SpecDocument[] = [];
  for (const file of new Set(files)) documents.push(...parseDocuments(await readSource(file, stdin), file));
  return readDeclarations(documents);
}

/** What some documents declare. All complaints of all documents come together. */
export function readDeclarations(documents: readonly SpecDocument[]): Declarations {
  const complaints: string[] = [];
  const read = <Spec extends { readonly name: string }>(kind: Kind<Spec>): readonly Spec[] => {
    const specs: Spec[] = [];
    for (const { value, where } of documents) {
      if (isPool(value) !== kind.isPool) continue;
      const result = kind.schema.safeParse(kind.specOf(value));
      if (result.success) specs.push(result.data);
      else complaints.push(...result.error.issues.flatMap((issue) => inWords(issue, kind.schema, where)));
    }
    const doubled = specs.map(({ name }) => name).filter((name, index, names) => names.indexOf(name) !== index);
    for (const name of new Set(doubled)) complaints.push(`${kind.word} "${name}" is declared more than once`);
    return specs;
  };
  const deployments = read({ word: "deployment", isPool: false, schema: deploymentSpec, specOf });
  const pools = read({ word: "pool", isPool: true, schema: cloudPoolSpec, specOf: poolSpecOf });
  if (complaints.length === 0) return { pools, deployments };
  throw new CliFailure(EXIT.error, {
    what:
      complaints.length === 1
        ? "a declaration is not valid"
        : `${complaints.length} things in the declarations are not valid`,
    why: complaints,
    fix: "correct them and run the command again; nothing was changed",
  });
}

interface Kind<Spec> {
  /** For messages. */
  readonly word: string;
  readonly isPool: boolean;
  readonly schema: z.ZodType<Spec>;
  readonly specOf: (value: unknown) => unknown;
}

/** A pool names the Deployment that it scales, and a deployment the model that it serves. */
const isPool = (value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  (("kind" in value && value.kind === "CloudPool") || ("deployment" in value && !("model" in value)));

// What `pools get -o yaml` prints may be edited and applied again: beside the declaration it has what was found of the pool.
function poolSpecOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { kind: _kind, ...rest } = { kind: undefined, ...value };
  if (!("pods" in rest)) return rest;
  const declared = new Set(Object.keys(cloudPoolSpec.shape));
  return Object.fromEntries(Object.entries(rest).filter(([field, said]) => declared.has(field) && said !== null));
}

// What `deployments get -o yaml` prints may be edited and applied again: there the declaration is in `spec`.
// `kind: Deployment` is accepted because people who write Kubernetes YAML put it there.
function specOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if ("spec" in value && "status" in value) return value.spec;
  if ("kind" in value && value.kind === "Deployment") {
    const { kind: _kind, ...rest } = value;
    return rest;
  }
  return value;
}

type Issue = z.core.$ZodIssue;

function inWords(issue: Issue, schema: z.ZodType, where: string): readonly string[] {
  const path = issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    const message = unknownFieldMessage(schema, issue.path);
    return issue.keys.map((key) => `${where}: ${path === "" ? key : `${path}.${key}`} ${message}`);
  }
  if (issue.code === "invalid_union")
    return [`${where}: ${path} must be a version number or an alias such as champion`];
  return [`${where}: ${path === "" ? "the document" : path}: ${issue.message}`];
}
