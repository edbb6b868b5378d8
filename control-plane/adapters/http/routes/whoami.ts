import type { Caller } from "../../../app/access/api-keys.ts";
import type { Whoami } from "../../../../shared/api/v1/access/keys.ts";

/** What a caller may know of itself. */
export function whoamiOf({ keyId, name, role, models, deployments }: Caller): Whoami {
  const callable = new Set([...models, ...deployments.map(({ model }) => model)]);
  return { keyId, name, role, models: [...callable], deployments: deployments.map((each) => each.name) };
}
