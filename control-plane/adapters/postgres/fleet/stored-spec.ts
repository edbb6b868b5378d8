import { z } from "zod";
import { deploymentSpec } from "../../../../shared/api/v1/deployments.ts";

/** Fields that a spec once had and that nothing read. The API refuses them; rows written before may still have them. */
const REMOVED_FIELDS = [
  ["placement", "edge", "max"],
  ["placement", "cloud", "max"],
] as const;

/** The spec of a deployment as a row holds it: fields that were removed since are dropped, everything else is checked. */
export const storedSpec = z.preprocess(withoutRemovedFields, deploymentSpec);

function withoutRemovedFields(stored: unknown): unknown {
  return REMOVED_FIELDS.reduce<unknown>((spec, path) => without(spec, path), stored);
}

function without(value: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined || !isRecord(value) || !(key in value)) return value;
  const { [key]: inner, ...others } = value;
  return rest.length === 0 ? others : { ...others, [key]: without(inner, rest) };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
