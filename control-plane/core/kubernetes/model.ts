import type { Model, ModelVersion } from "../../../shared/api/v1/models.ts";
import {
  MAX_LISTED_VERSIONS,
  modelSpec,
  modelStatus,
  type ModelAlias,
  type ModelSpec,
  type ModelStatus,
} from "../../../shared/api/v1alpha1/model.ts";
import type { Resource } from "../../../shared/api/v1alpha1/resource.ts";
import { ownConditions, refusal, toConditions, type Finding, type Refusal } from "./conditions.ts";

/** The conditions that Skerry writes. */
const TYPES = ["Accepted", "Ready"] as const;

/** What was declared; or what is wrong with it. The server's own rules let nothing else through. */
export function modelSpecOf({ spec }: Resource): ModelSpec | Refusal {
  const parsed = modelSpec.safeParse(spec ?? {});
  return parsed.success ? parsed.data : refusal("InvalidSpec", parsed.error.issues);
}

/** What the object's status says now; only what is Skerry's of it. */
export function modelStatusIn({ status }: Resource): ModelStatus {
  const parsed = modelStatus.safeParse(status ?? {});
  const known = parsed.success ? parsed.data : { conditions: [] };
  return { ...known, conditions: ownConditions(known.conditions, TYPES) };
}

/** Which aliases have to be moved to what the spec says, and why others cannot be. */
export function planAliases(
  { aliases }: ModelSpec,
  model: Model,
  versions: readonly ModelVersion[],
): {
  readonly moves: readonly { readonly alias: string; readonly version: number }[];
  readonly missing: readonly Refusal[];
} {
  const moves: { alias: string; version: number }[] = [];
  const missing: Refusal[] = [];
  for (const alias of aliases) {
    const found = versionOf(alias, versions);
    if (!found)
      missing.push({ reason: "VersionNotFound", message: `${alias.name}: there is no version ${nameOf(alias)}` });
    else if (found.state !== "ready")
      missing.push({ reason: "VersionNotReady", message: `${alias.name}: version ${found.version} is ${found.state}` });
    else if (model.aliases[alias.name] !== found.version) moves.push({ alias: alias.name, version: found.version });
  }
  return { moves, missing };
}

/** Of several versions with the same bytes, the newest that is ready. */
function versionOf(alias: ModelAlias, versions: readonly ModelVersion[]): ModelVersion | undefined {
  const { version, digest } = alias;
  if (version !== undefined) return versions.find((each) => each.version === version);
  const same = versions.filter((each) => each.digest === digest).toSorted((a, b) => b.version - a.version);
  return same.find(({ state }) => state === "ready") ?? same[0];
}

const nameOf = ({ version, digest }: ModelAlias): string =>
  version === undefined ? `with ${digest}` : String(version);

/** The status of an object that is carried out. */
export function acceptedModelStatus(
  object: Resource,
  found: {
    readonly model: Model;
    readonly versions: readonly ModelVersion[];
    readonly missing: readonly Refusal[];
    readonly now: string;
  },
): ModelStatus {
  const { model, versions, missing, now } = found;
  const { generation } = object.metadata;
  const accepted = `labels and aliases of the model ${model.name} are declared here`;
  const findings: readonly Finding[] = [
    { type: "Accepted", status: "True", reason: "Declared", message: accepted },
    missing[0]
      ? {
          type: "Ready",
          status: "False",
          reason: missing[0].reason,
          message: missing.map(({ message }) => message).join("; "),
        }
      : {
          type: "Ready",
          status: "True",
          reason: "AliasesSet",
          message: "every alias names the version that it should",
        },
  ];
  return {
    observedGeneration: generation,
    conditions: toConditions(findings, { before: modelStatusIn(object).conditions, generation, now }),
    ...(model.latestVersion !== null && { latestVersion: model.latestVersion }),
    aliases: Object.entries(model.aliases)
      .map(([name, version]) => ({ name, version }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .slice(0, 256),
    versions: versions
      .toSorted((a, b) => b.version - a.version)
      .slice(0, MAX_LISTED_VERSIONS)
      .map(({ version, digest, state }) => ({ version, digest, state })),
  };
}

/** The status of an object that is not carried out. What is known of the model stays in sight. */
export function refusedModelStatus(object: Resource, why: Refusal, now: string): ModelStatus {
  const { generation } = object.metadata;
  const before = modelStatusIn(object);
  const findings = TYPES.map((type) => ({ type, status: "False" as const, ...why }));
  return {
    ...before,
    observedGeneration: generation,
    conditions: toConditions(findings, { before: before.conditions, generation, now }),
  };
}
