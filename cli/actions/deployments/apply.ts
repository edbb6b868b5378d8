import type { CloudPoolSpec } from "../../../shared/api/v1/nodes/cloud-pools.ts";
import { deployment, type Deployment } from "../../../shared/api/v1/deployments/deployments.ts";
import type { DeploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import { type ApiClient, type ApiResponse, decode } from "../../api/client.ts";
import { isApiFailure } from "../../api/problem.ts";
import { isMachineFormat, printRaw } from "../../output/format.ts";
import type { CommandContext } from "../../run.ts";
import { readDeclarationFiles } from "../../spec/declarations.ts";
import { waitForDeployment } from "../../wait/deployment-ready.ts";
import { pathOfPool } from "../nodes/pools.ts";

export interface Applied {
  readonly outcome: "created" | "changed" | "unchanged";
  readonly deployment: Deployment;
  readonly raw: unknown;
}

/** `skerry apply -f`: declares pools, then one deployment after the other, then waits for the deployments when asked to. */
export async function apply(run: CommandContext, files: readonly string[]): Promise<void> {
  const { pools, deployments } = await readDeclarationFiles(files, run.processEnv.stdin);
  const api = await run.api();
  const raws: unknown[] = [];
  const tell = (kind: string, name: string, { outcome, raw }: { outcome: string; raw: unknown }): void => {
    raws.push(raw);
    run.output.say(`${kind} ${name} ${outcome}`);
    if (run.globals.format === "name") run.output.data(name);
  };
  for (const spec of pools) tell("pool", spec.name, await applyPool(api, spec));
  const applied: Applied[] = [];
  for (const spec of deployments) {
    const one = await applySpec(api, spec);
    applied.push(one);
    tell("deployment", spec.name, one);
  }
  if (run.globals.wait) {
    for (const one of applied) {
      await waitForDeployment(run, api, one.deployment.name, one.deployment.generation);
      run.output.say(`deployment ${one.deployment.name} is ready`);
    }
  }
  if (isMachineFormat(run.globals.format))
    await printRaw(run.output, run.globals.format, raws.length === 1 ? raws[0] : { items: raws, nextCursor: null });
  const first = deployments[0]?.name;
  if (first === undefined) run.output.next(`pools get ${pools[0]?.name ?? ""}`);
  else run.output.next(run.globals.wait ? `explain ${first}` : `deployments get ${first} --wait`);
}

/** Creates or replaces one deployment, on condition that nobody changed it since we looked. */
export async function applySpec(api: ApiClient, spec: DeploymentSpec): Promise<Applied> {
  const path = `/api/v1/deployments/${encodeURIComponent(spec.name)}`;
  const before = await find(api, path);
  const headers: Record<string, string> = before === null ? { "If-None-Match": "*" } : ifMatch(before.headers);
  const { body } = await api.call("PUT", path, { body: spec, headers });
  const after = decode(deployment, body, "a deployment");
  if (before === null) return { outcome: "created", deployment: after, raw: body };
  const same = decode(deployment, before.body, "a deployment").generation === after.generation;
  return { outcome: same ? "unchanged" : "changed", deployment: after, raw: body };
}

/** Creates or replaces one pool, likewise. */
async function applyPool(api: ApiClient, spec: CloudPoolSpec): Promise<Pick<Applied, "outcome" | "raw">> {
  const before = (await find(api, pathOfPool(spec.name)))?.headers.get("etag") ?? null;
  const condition: Record<string, string> = before === null ? { "If-None-Match": "*" } : { "If-Match": before };
  const { body, status, headers } = await api.call("PUT", pathOfPool(spec.name), { body: spec, headers: condition });
  if (status === 201) return { outcome: "created", raw: body };
  return { outcome: before === headers.get("etag") ? "unchanged" : "changed", raw: body };
}

async function find(api: ApiClient, path: string): Promise<ApiResponse | null> {
  try {
    return await api.get(path);
  } catch (error) {
    if (isApiFailure(error) && error.status === 404) return null;
    throw error;
  }
}

function ifMatch(headers: Headers): Record<string, string> {
  const etag = headers.get("etag");
  return etag === null ? {} : { "If-Match": etag };
}
