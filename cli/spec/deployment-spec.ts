import type { z } from "zod";
import { deploymentSpec, type DeploymentSpec } from "../../shared/api/v1/deployments.ts";
import { unknownFieldMessage } from "../../shared/api/v1/known-fields.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { parseDocuments, readSource, type SpecDocument } from "./read-documents.ts";

/** The deployments that files declare; `-` is stdin. Throws a failure that names the places in them. */
export async function readSpecFiles(
  files: readonly string[],
  stdin: AsyncIterable<Uint8Array | string>,
): Promise<readonly DeploymentSpec[]> {
  const documents: SpecDocument[] = [];
  for (const file of new Set(files)) documents.push(...parseDocuments(await readSource(file, stdin), file));
  return readSpecs(documents);
}

/** The deployments that some documents declare. All complaints of all documents come together. */
export function readSpecs(documents: readonly SpecDocument[]): readonly DeploymentSpec[] {
  const complaints: string[] = [];
  const specs: DeploymentSpec[] = [];
  for (const { value, where } of documents) {
    const result = deploymentSpec.safeParse(specOf(value));
    if (result.success) specs.push(result.data);
    else complaints.push(...result.error.issues.flatMap((issue) => inWords(issue, where)));
  }
  const doubled = specs.map(({ name }) => name).filter((name, index, names) => names.indexOf(name) !== index);
  for (const name of new Set(doubled)) complaints.push(`deployment "${name}" is declared more than once`);
  if (complaints.length === 0) return specs;
  throw new CliFailure(EXIT.error, {
    what:
      complaints.length === 1
        ? "a declaration is not valid"
        : `${complaints.length} things in the declarations are not valid`,
    why: complaints,
    fix: "correct them and run the command again; nothing was changed",
  });
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

function inWords(issue: Issue, where: string): readonly string[] {
  const path = issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    const message = unknownFieldMessage(deploymentSpec, issue.path);
    return issue.keys.map((key) => `${where}: ${path === "" ? key : `${path}.${key}`} ${message}`);
  }
  if (issue.code === "invalid_union")
    return [`${where}: ${path} must be a version number or an alias such as champion`];
  return [`${where}: ${path === "" ? "the document" : path}: ${issue.message}`];
}
