import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";

const LOG = "audit.log";
const POLICY = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived"],
  rules: [{ level: "Metadata", userGroups: ["system:serviceaccounts:skerry"] }, { level: "None" }],
};

interface AuditEvent {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly objectRef?: { readonly resource: string; readonly apiGroup?: string; readonly subresource?: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Flags of an API server that writes down what service accounts of Skerry's namespace ask, in `directory`. */
export async function auditFlags(directory: string): Promise<Readonly<Record<string, string>>> {
  const policy = path.join(directory, "audit-policy.json");
  await writeFile(policy, JSON.stringify(POLICY));
  return { "audit-policy-file": policy, "audit-log-path": path.join(directory, LOG) };
}

/** What an account asked so far, as `pods list` or `deployments.apps/scale patch`; once each, with whether it was refused. */
export async function requestsOf(
  directory: string,
  account: string,
): Promise<ReadonlyMap<string, { readonly isRefused: boolean }>> {
  const lines = (await readFile(path.join(directory, LOG), "utf8")).split("\n");
  const asked = new Map<string, { readonly isRefused: boolean }>();
  // The last line may be half written.
  for (const line of lines.slice(0, -1)) {
    const { verb, user, objectRef, annotations } = JSON.parse(line) as AuditEvent;
    if (user.username !== account || !objectRef) continue;
    const right = rightOf(objectRef, verb);
    const isRefused = annotations?.["authorization.k8s.io/decision"] === "forbid";
    asked.set(right, { isRefused: isRefused || asked.get(right)?.isRefused === true });
  }
  return asked;
}

/** `resource.group/subresource verb`. */
export function rightOf(
  { resource, apiGroup = "", subresource }: NonNullable<AuditEvent["objectRef"]>,
  verb: string,
): string {
  const group = apiGroup === "" ? "" : `.${apiGroup}`;
  return `${resource}${group}${subresource === undefined ? "" : `/${subresource}`} ${verb}`;
}
