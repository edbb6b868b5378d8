import { type Model, model, type ModelVersion, modelVersion } from "../../shared/api/v1/models.ts";
import { objectName } from "../../shared/api/v1/common.ts";
import { type ApiClient, decode } from "../api/client.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure, usageFailure } from "../failure.ts";

/** `digits`, `digits:3` or `digits:champion`. */
export interface ModelReference {
  readonly model: string;
  /** A number, an alias, or undefined when none was given. */
  readonly version: string | undefined;
}

export function parseModelReference(text: string): ModelReference {
  const [name = "", version, ...more] = text.split(":");
  if (more.length > 0 || version === "" || !objectName.safeParse(name).success) {
    throw usageFailure(
      `"${text}" does not name a model`,
      "give it as MODEL, MODEL:3 or MODEL:champion; names are a–z, 0–9, `.`, `_`, `-`",
    );
  }
  return { model: name, version };
}

export const modelPath = (name: string): string => `/api/v1/models/${encodeURIComponent(name)}`;
export const versionPath = (name: string, version: number): string => `${modelPath(name)}/versions/${version}`;

export async function readModel(api: ApiClient, name: string): Promise<{ raw: unknown; model: Model }> {
  const { body } = await api.get(modelPath(name));
  return { raw: body, model: decode(model, body, "a model") };
}

/** The version that a reference means. Without a version: the newest. */
export async function resolveVersion(api: ApiClient, reference: ModelReference): Promise<number> {
  if (reference.version !== undefined && /^\d+$/.test(reference.version)) return Number(reference.version);
  const { model: found } = await readModel(api, reference.model);
  if (reference.version === undefined) {
    if (found.latestVersion !== null) return found.latestVersion;
    throw new CliFailure(EXIT.notFound, {
      what: `model "${found.name}" has no version yet`,
      fix: `upload one with \`skerry models push FILE --model ${found.name}\``,
    });
  }
  const number = Object.hasOwn(found.aliases, reference.version) ? found.aliases[reference.version] : undefined;
  if (number !== undefined) return number;
  const known = Object.entries(found.aliases).map(([alias, version]) => `${alias} = ${version}`);
  throw new CliFailure(EXIT.notFound, {
    what: `model "${found.name}" has no alias "${reference.version}"`,
    why: [known.length === 0 ? "it has no aliases" : `its aliases: ${known.join(", ")}`],
    fix: `set it with \`skerry models alias ${found.name} ${reference.version} VERSION\``,
  });
}

export async function readVersion(
  api: ApiClient,
  name: string,
  version: number,
): Promise<{ raw: unknown; version: ModelVersion }> {
  const { body } = await api.get(versionPath(name, version));
  return { raw: body, version: decode(modelVersion, body, "a model version") };
}
