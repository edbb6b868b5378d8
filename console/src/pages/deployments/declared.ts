import { api, bodyOf } from "../../api/client.ts";
import type { Deployment } from "../../api/types.ts";

/** What a deployment must be still when it is declared: as it was read, or not there. */
export type Condition = Readonly<Record<"If-Match", string>> | Readonly<Record<"If-None-Match", "*">>;

/** The spec of now, and the condition by which a change of it is refused when somebody changes it meanwhile. */
export async function readDeclared(
  deployment: string,
): Promise<{ readonly spec: Deployment["spec"]; readonly condition: Condition }> {
  const { data, response } = await api.GET("/api/v1/deployments/{deployment}", { params: { path: { deployment } } });
  const etag = response.headers.get("etag");
  // Without PostgreSQL the control plane knows the spec, and not whether it is the newest.
  if (data === undefined || etag === null)
    throw new Error("The control plane cannot say whether this is the newest spec, as PostgreSQL does not answer.");
  return { spec: data.spec, condition: { "If-Match": etag } };
}

/** Throws `STALE_ETAG` when the condition does not hold. */
export const declare = (spec: Deployment["spec"], condition: Condition): Promise<Deployment> =>
  bodyOf(
    api.PUT("/api/v1/deployments/{deployment}", {
      params: { path: { deployment: spec.name } },
      body: spec,
      headers: condition,
    }),
  );
