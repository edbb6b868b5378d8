import { node } from "../../../shared/api/v1/nodes/nodes.ts";
import { deployment } from "../../../shared/api/v1/deployments/deployments.ts";
import type { ModelVersion } from "../../../shared/api/v1/models.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import { type ApiClient, decode } from "../../api/client.ts";
import { readList } from "../../api/lists.ts";
import { EXIT } from "../../exit-codes.ts";
import { CliFailure, usageFailure } from "../../failure.ts";
import type { CommandContext } from "../../run.ts";
import { waitForDeployment } from "../../wait/deployment-ready.ts";
import { compareOutput, isSameRun } from "../../../shared/inference/samples/compare-outputs.ts";
import { asUsage, type Samples } from "./read-samples.ts";
import { runAll } from "./run-requests.ts";
import { sampleRequests } from "./sample-requests.ts";

/**
 * Deploys a version under a name of its own, sends the samples' inputs twice, compares the answers with the samples'
 * outputs, and removes the deployment. Throws a `CliFailure` that says what differs; two runs that differ are a warning.
 */
export async function checkSamples(
  run: CommandContext,
  api: ApiClient,
  version: ModelVersion,
  samples: Samples,
): Promise<void> {
  const { inputs, outputs } = version;
  const requests = asUsage(() => sampleRequests(inputs, outputs, samples.arrays));
  const expected = outputs.flatMap(({ name }) => {
    const array = samples.arrays.get(name);
    return array ? [{ name, array }] : [];
  });
  if (expected.length === 0)
    throw usageFailure(
      `${samples.path} has no array for an output; it has ${[...samples.arrays.keys()].join(", ")}`,
      `name one as an output of the model: ${outputs.map(({ name }) => name).join(", ")}`,
    );
  const path = `/v2/models/${encodeURIComponent(version.model)}/versions/${version.version}/infer`;
  const { first, second } = await withDeployment(run, api, version, async () => ({
    first: await runAll(api, path, requests),
    second: await runAll(api, path, requests),
  }));
  if (!isSameRun(first, second))
    run.output.say("Warning NotDeterministic: two runs of the same samples differ; requests never share a run of it.");
  const found = expected.map(({ name, array }) => {
    const served = first.find((tensor) => tensor.name === name);
    if (!served) throw new Error(`the model answered without its output ${name}`);
    return compareOutput(served, array);
  });
  if (found.every(({ isEqual }) => isEqual)) {
    run.output.say(`${samples.path} holds: ${found.map(({ sentence }) => sentence).join("; ")}.`);
    return;
  }
  throw new CliFailure(EXIT.error, {
    what: `${version.model}:${version.version} does not answer what ${samples.path} holds`,
    why: found.map(({ sentence }) => sentence),
    fix: "compare with ONNX Runtime in Python: exporters silently write another model for boosters and objectives that they do not know, and a Dropout may be left on",
  });
}

async function withDeployment<Result>(
  run: CommandContext,
  api: ApiClient,
  { model, version }: ModelVersion,
  work: () => Promise<Result>,
): Promise<Result> {
  const name = `check-${model
    .slice(0, 40)
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, "-")}-${version}`;
  const path = `/api/v1/deployments/${name}`;
  const { items } = await readList(api, "/api/v1/nodes", node);
  const ready = items.filter(({ state }) => state === "ready");
  // Beside a replica of the model: callers of that site that name no version are answered by it, and not by the new one.
  const beside = ready.find(({ placements }) => placements.some((one) => one.model === model && one.state === "ready"));
  const kind = (beside ?? ready.find((each) => each.kind === "edge"))?.kind ?? "cloud";
  const where = beside && { where: { matchLabels: { name: beside.name } } };
  const body = { name, model, version, placement: { ...where, [kind]: { min: 1 } } };
  const answer = await api.call("PUT", path, { body, headers: { "If-None-Match": "*" } });
  try {
    await waitForDeployment(run, api, name, decode(deployment, answer.body, "a deployment").generation);
    return await work();
  } finally {
    await api
      .delete(path)
      .catch((error: unknown) => run.output.say(`the deployment ${name} stays: ${messageOf(error)}`));
  }
}
