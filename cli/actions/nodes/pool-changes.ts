import { cloudPool, cloudPoolSpec, type CloudPoolInfo } from "../../../shared/api/v1/nodes/cloud-pools.ts";
import { type ApiClient, decode } from "../../api/client.ts";
import { isApiFailure } from "../../api/problem.ts";
import { EXIT } from "../../exit-codes.ts";
import { CliFailure } from "../../failure.ts";
import { isMachineFormat, printRaw } from "../../output/format.ts";
import type { CommandContext } from "../../run.ts";
import { pathOfPool } from "./pools.ts";

export interface PoolOptions {
  readonly deployment?: string;
  readonly min?: number;
  readonly max?: number;
  readonly site?: string;
  readonly priority?: number;
}

export async function setPool(run: CommandContext, name: string, options: PoolOptions): Promise<void> {
  const api = await run.api();
  const before = await find(api, name);
  const { deployment, ...bounds } = options;
  const [namespace, ...rest] = deployment?.split("/") ?? [before?.pool.namespace, before?.pool.deployment];
  // The schema refuses a name with a `/`, and none.
  const workload = rest.join("/");
  const { min, max, priority, site } = before?.pool ?? {};
  const known = before && { min, max, priority, ...(site !== null && { site }) };
  const spec = cloudPoolSpec.safeParse({ ...known, ...bounds, name, namespace, deployment: workload });
  if (!spec.success) {
    const [issue] = spec.error.issues;
    throw new CliFailure(EXIT.usage, {
      what: `the pool ${name} cannot be declared so`,
      why: [`${String(issue?.path[0] ?? "")}: ${issue?.message ?? ""}`],
      fix: "A new pool needs --deployment NAMESPACE/NAME and --max.",
    });
  }
  const { body, status } = await api.put(pathOfPool(name), spec.data, before?.etag ?? null);
  if (isMachineFormat(run.globals.format)) await printRaw(run.output, run.globals.format, body);
  const done = status === 201 ? "declared" : "set";
  const range = `${spec.data.min} to ${spec.data.max} pods`;
  run.output.say(`The pool ${name} is ${done}: ${range} of ${namespace}/${workload}, as demand asks for.`);
  run.output.next(`pools get ${name}`);
}

export async function removePool(run: CommandContext, name: string): Promise<void> {
  const api = await run.api();
  const { headers } = await api.get(pathOfPool(name));
  await api.delete(pathOfPool(name), headers.get("etag"));
  run.output.say(`The pool ${name} is scaled no more. Its pods stay until its Deployment is scaled or deleted.`);
  run.output.next("pools ls");
}

async function find(
  api: ApiClient,
  name: string,
): Promise<{ readonly pool: CloudPoolInfo; readonly etag: string | null } | undefined> {
  try {
    const { body, headers } = await api.get(pathOfPool(name));
    return { pool: decode(cloudPool, body, "a pool"), etag: headers.get("etag") };
  } catch (error) {
    if (isApiFailure(error) && error.status === 404) return undefined;
    throw error;
  }
}
