import { deployment, type Deployment } from "../../shared/api/v1/deployments/deployments.ts";
import { deploymentSpec } from "../../shared/api/v1/deployments/deployment-spec.ts";
import { applySpec } from "../actions/deployments/apply.ts";
import { type ApiClient, decode } from "../api/client.ts";
import { isApiFailure } from "../api/problem.ts";
import { findFiles } from "../models/find-files.ts";
import { moveAlias, pushVersion, waitForCheck } from "../models/push-version.ts";
import { readModel } from "../models/reference.ts";
import { formatBytes } from "../output/units.ts";
import type { CommandContext } from "../run.ts";
import { waitForDeployment } from "../wait/deployment-ready.ts";
import { readDemoModels } from "./samples.ts";

export const DEMO_MODEL = "digits";
const ALIAS = "champion";

/**
 * One replica at the edge and one in the cloud: the table shows both kinds answering, the planner has two edge nodes
 * to choose between and says why, and whichever of the two is killed, the other answers.
 */
const DEMO_SPEC = deploymentSpec.parse({
  name: "digits",
  model: DEMO_MODEL,
  version: ALIAS,
  placement: { edge: { min: 1 }, cloud: { min: 1 }, spread: "zone" },
});

/** Publishes what is missing of the demonstration's models. What an operator moved since the first start stays moved. */
export async function publishModels(run: CommandContext, api: ApiClient): Promise<void> {
  for (const { name, file, accuracy } of await readDemoModels()) {
    const labels = { example: "digits" };
    const pushed = await waitForCheck(
      run,
      api,
      await pushVersion(run, api, { bundle: await findFiles(file), model: name, labels, metrics: { accuracy } }),
    );
    const { version } = pushed.version;
    const words = `${name}:${version} (${formatBytes(pushed.version.bytes)}, ${(accuracy * 100).toFixed(1)} % of held-out digits right)`;
    const { aliases } = (await readModel(api, name)).model;
    const moves = pushed.uploaded || !Object.hasOwn(aliases, ALIAS);
    if (moves) await moveAlias(api, { model: name, alias: ALIAS, version });
    run.output.say(`  ${pushed.uploaded ? "published" : "found"} ${words}${moves ? `; ${ALIAS} names it` : ""}`);
  }
}

/** Declares the demonstration's deployment when there is none of that name, and waits until it is ready. */
export async function deployDemo(run: CommandContext, api: ApiClient): Promise<Deployment> {
  const found = await existing(api);
  const declared = found ?? (await applySpec(api, DEMO_SPEC)).deployment;
  run.output.say(
    found === null
      ? `  declared deployment ${DEMO_SPEC.name}: one replica at the edge, one in the cloud`
      : `  found deployment ${DEMO_SPEC.name}`,
  );
  return waitForDeployment(run, api, declared.name, declared.generation);
}

async function existing(api: ApiClient): Promise<Deployment | null> {
  try {
    return decode(deployment, (await api.get(`/api/v1/deployments/${DEMO_SPEC.name}`)).body, "a deployment");
  } catch (error) {
    if (isApiFailure(error) && error.status === 404) return null;
    throw error;
  }
}
