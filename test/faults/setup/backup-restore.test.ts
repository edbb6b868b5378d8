import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { ModelVersion } from "../../../shared/api/v1/models.ts";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { debianPostgres, startDebianPostgres, type DebianPostgres } from "../../support/postgres/debian-postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

const run = promisify(execFile);
const PAGE = path.resolve(import.meta.dirname, "../../../docs/operate.md");

const bin = debianPostgres();
/** pg_dump refuses a server that is newer, so the server is of the same installation. */
const withPgDump = bin === undefined ? describe.skip : describe;

let server: DebianPostgres;
let live: string;
let cluster: SkerryCluster;
let directory: string;
let restoredFiles: string;

beforeAll(async () => {
  if (bin === undefined) return;
  directory = await mkdtemp(path.join(tmpdir(), "skerry-backup-"));
  restoredFiles = path.join(directory, "files");
  server = await startDebianPostgres(bin);
  live = await server.database("live");
  cluster = await SkerryCluster.start(live);
  await cluster.addNode("edge-a");
  await cluster.publish("same", identityModel("FP32"));
  await cluster.deploy({ name: "same", model: "same", version: 1 });
  await cluster.whenDeploymentReady("same");
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await server?.stop();
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
}, 120_000);

/** Runs the shell block of the page's section on backups that has `command`. */
async function runBlock(command: string, env: { readonly DATABASE_URL: string; readonly SKERRY_DATA_DIR: string }) {
  const [, section = ""] = (await readFile(PAGE, "utf8")).split("## Backup and restore\n");
  const blocks = [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = ""]) => block);
  const block = blocks.find((each) => each.includes(command));
  if (block === undefined) throw new Error(`docs/operate.md has no block with ${command}`);
  await run("bash", ["-ec", block], { cwd: directory, env: { PATH: `${bin}:${process.env["PATH"]}`, ...env } });
}

const answer = async (): Promise<unknown> => {
  const body = { inputs: [{ name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] }] };
  const response = await cluster.infer("same", body);
  return response.status === 200 ? response.json() : { status: response.status, text: await response.text() };
};

withPgDump("the commands of the page on backups", () => {
  it("bring back the models, the deployment and the node, and report what came after the backup", async () => {
    const before = await answer();
    await runBlock("pg_dump", { DATABASE_URL: live, SKERRY_DATA_DIR: path.join(cluster.directory, "control-plane") });
    await cluster.publish("later", identityModel("INT64"));
    await cluster.addNode("edge-later");
    await cluster.controlPlane.stop();

    const DATABASE_URL = await server.database("restored");
    await runBlock("pg_restore", { DATABASE_URL, SKERRY_DATA_DIR: restoredFiles });
    cluster.restartControlPlane({ DATABASE_URL, SKERRY_DATA_DIR: restoredFiles });
    await cluster.whenControlPlaneReady();

    await cluster.whenNode("edge-a", "ready", 60_000);
    await cluster.whenDeploymentReady("same", 60_000);
    expect(await answer()).toEqual(before);
    const { items } = await cluster.get<{ items: { name: string }[] }>("/models");
    expect(items.map(({ name }) => name)).toEqual(["same"]);
    await until("the node that came later is reported", async () =>
      (await cluster.events()).some(({ reason }) => reason === "UnknownNode"),
    );
    // The files were restored too: a new node is sent them.
    await cluster.addNode("edge-b");
    await cluster.deploy({ name: "same", model: "same", version: 1, placement: { edge: { min: 2 } } });
    await cluster.whenDeploymentReady("same", 60_000);
    expect(await cluster.get<ModelVersion>("/models/same/versions/1")).toMatchObject({ state: "ready", damage: null });
  }, 240_000);
});
