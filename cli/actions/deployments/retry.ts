import { deployment, retryResponse } from "../../../shared/api/v1/deployments/deployments.ts";
import { decode } from "../../api/client.ts";
import { isMachineFormat, printRaw } from "../../output/format.ts";
import { count } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";
import { waitForDeployment } from "../../wait/deployment-ready.ts";

/** Starts a new attempt of every failed replica, which would else wait for up to 15 minutes. */
export async function retryDeployment(run: CommandContext, name: string): Promise<void> {
  const api = await run.api();
  const path = `/api/v1/deployments/${encodeURIComponent(name)}`;
  const { body } = await api.post(`${path}/retry`);
  if (isMachineFormat(run.globals.format)) await printRaw(run.output, run.globals.format, body);
  const { retried } = decode(retryResponse, body, "the answer to a retry");
  const tried = `${count(retried, "replica")} of ${name} ${retried === 1 ? "is" : "are"} tried again`;
  run.output.say(retried === 0 ? `no replica of ${name} has failed` : tried);
  if (run.globals.wait) {
    const { generation } = decode(deployment, (await api.get(path)).body, "a deployment");
    await waitForDeployment(run, api, name, generation);
    run.output.say(`${name} is ready`);
  }
  run.output.next(`deployments get ${name}`);
}
