import { usageFailure } from "../../failure.ts";
import type { CommandContext } from "../../run.ts";

/** `skerry models rm`: a version by its number, or the whole model. An alias names no version here: it may move meanwhile. */
export async function removeModel(run: CommandContext, reference: string): Promise<void> {
  const [model = "", version, ...more] = reference.split(":");
  if (model === "" || more.length > 0 || (version !== undefined && !/^[1-9]\d*$/.test(version)))
    throw usageFailure(
      `"${reference}" is neither a model nor a version`,
      "write digits, or digits:1 with the number of a version",
    );
  const api = await run.api();
  const path = `/api/v1/models/${encodeURIComponent(model)}`;
  if (version === undefined) {
    const { headers } = await api.get(path);
    await api.delete(path, headers.get("etag"));
    run.output.say(`The model ${model} is deleted, with all its versions.`);
  } else {
    await api.delete(`${path}/versions/${version}`, "*");
    run.output.say(`${reference} is deleted. Its number is not given again.`);
  }
  run.output.next("models ls");
}

export async function removeAlias(run: CommandContext, model: string, alias: string): Promise<void> {
  const path = `/api/v1/models/${encodeURIComponent(model)}/aliases/${encodeURIComponent(alias)}`;
  await (await run.api()).delete(path, "*");
  run.output.say(`The alias ${alias} of ${model} is deleted.`);
  run.output.next(`models get ${model}`);
}
