import { deployment, type Deployment, type DeploymentSpec } from "../../../shared/api/v1/deployments.ts";
import { type ApiClient, decode } from "../../api/client.ts";
import { isApiFailure } from "../../api/problem.ts";
import { isMachineFormat, printRaw } from "../../output/format.ts";
import type { CommandContext } from "../../run.ts";
import { readSpecFiles } from "../../spec/deployment-spec.ts";
import { waitForDeployment } from "../../wait/deployment-ready.ts";

export interface Applied {
  readonly outcome: "created" | "changed" | "unchanged";
  readonly deployment: Deployment;
  readonly raw: unknown;
}

/** `skerry apply -f`: declares one deployment after the other, then waits for all of them when asked to. */
export async function apply(run: CommandContext, files: readonly string[]): Promise<void> {
  const specs = await readSpecFiles(files, run.processEnv.stdin);
  const api = await run.api();
  const applied: Applied[] = [];
  for (const spec of specs) {
    const one = await applySpec(api, spec);
    applied.push(one);
    run.output.say(`deployment ${spec.name} ${one.outcome}`);
    if (run.globals.format === "name") run.output.data(spec.name);
  }
  if (run.globals.wait) {
    for (const one of applied) {
      await waitForDeployment(run, api, one.deployment.name, one.deployment.generation);
      run.output.say(`deployment ${one.deployment.name} is ready`);
    }
  }
  if (isMachineFormat(run.globals.format)) {
    const raws = applied.map(({ raw }) => raw);
    await printRaw(run.output, run.globals.format, raws.length === 1 ? raws[0] : { items: raws, nextCursor: null });
  }
  const first = specs[0]?.name ?? "";
  run.output.next(run.globals.wait ? `explain ${first}` : `deployments get ${first} --wait`);
}

/** Creates or replaces one deployment, on condition that nobody changed it since we looked. */
export async function applySpec(api: ApiClient, spec: DeploymentSpec): Promise<Applied> {
  const path = `/api/v1/deployments/${encodeURIComponent(spec.name)}`;
  const before = await api.get(path).catch((error: unknown) => {
    if (isApiFailure(error) && error.status === 404) return null;
    throw error;
  });
  const headers: Record<string, string> = before === null ? { "If-None-Match": "*" } : ifMatch(before.headers);
  const { body } = await api.call("PUT", path, { body: spec, headers });
  const after = decode(deployment, body, "a deployment");
  if (before === null) return { outcome: "created", deployment: after, raw: body };
  const same = decode(deployment, before.body, "a deployment").generation === after.generation;
  return { outcome: same ? "unchanged" : "changed", deployment: after, raw: body };
}

function ifMatch(headers: Headers): Record<string, string> {
  const etag = headers.get("etag");
  return etag === null ? {} : { "If-Match": etag };
}
