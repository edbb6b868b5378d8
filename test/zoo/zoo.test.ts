import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { encodeRequest } from "../../shared/inference/request.ts";
import { decodeResponse } from "../../shared/inference/response.ts";
import { JSON_BODY } from "../../shared/protocol/frames/inference-frame.ts";
import type { Tensor } from "../../shared/inference/tensors/datatypes.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { type Case, largestDifference, readCases } from "./case.ts";
import { prepareZoo } from "./prepare.ts";

const AT_LEAST = 40;
const CALLERS = 8;

let database: TestDatabase;
let cluster: SkerryCluster;
let models: string;
let names: readonly string[];

beforeAll(async () => {
  models = await prepareZoo();
  names = (await readdir(models)).toSorted();
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await cluster.addNode("edge-a");
}, 3_600_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

async function filesOf(folder: string): Promise<Record<string, Uint8Array>> {
  const files = (await readdir(folder)).filter((file) => file !== "case.json");
  const read = await Promise.all(files.map(async (file) => [file, await readFile(path.join(folder, file))] as const));
  // PyTorch's exporter writes an empty data file beside a graph that holds its few weights itself.
  return Object.fromEntries(read.filter(([, bytes]) => bytes.length > 0));
}

/** The answer of the model, asked in JSON or in binary. */
async function ask(
  model: string,
  inputs: readonly Tensor[],
  { binary }: { readonly binary: boolean },
): Promise<readonly Tensor[]> {
  const { body, headerLength } = encodeRequest({
    inputs: inputs.map((tensor) => ({ tensor, binary })),
    binaryOutput: binary,
  });
  const answer = await fetch(`${cluster.url}/v2/models/${model}/infer`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${cluster.adminKey}`,
      "content-type": binary ? "application/octet-stream" : "application/json",
      ...(binary && { "inference-header-content-length": String(headerLength) }),
    },
    body: new Uint8Array(body),
    signal: AbortSignal.timeout(60_000),
  });
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (!answer.ok) throw new Error(`${model}: ${answer.status} ${new TextDecoder().decode(bytes)}`);
  const length = answer.headers.get("inference-header-content-length");
  return decodeResponse(bytes, length === null ? JSON_BODY : Number(length)).outputs;
}

/** The largest differences: alone in both forms, and of 8 callers at once, half of them in each form. */
async function differences(
  model: string,
  cases: readonly Case[],
): Promise<{ readonly alone: number; readonly together: number }> {
  const found: number[] = [];
  for (const { inputs, outputs } of cases)
    for (const binary of [false, true]) found.push(largestDifference(await ask(model, inputs, { binary }), outputs));
  const callers = Array.from({ length: CALLERS }, async (_, caller) => {
    const { inputs, outputs } = cases[caller % cases.length] ?? { inputs: [], outputs: [] };
    return largestDifference(await ask(model, inputs, { binary: caller % 4 < 2 }), outputs);
  });
  return { alone: Math.max(...found), together: Math.max(...(await Promise.all(callers))) };
}

describe("the zoo", () => {
  it(`holds at least ${AT_LEAST} models`, () => {
    expect(names.length).toBeGreaterThanOrEqual(AT_LEAST);
  });

  it("answers what Python answers: each model, JSON and binary, alone and with 8 callers at once", async () => {
    const lines: string[] = [];
    const wrong: string[] = [];
    for (const name of names) {
      const { alone, together, rounding } = await tryModel(name).catch((error: unknown) => failed(name, error));
      const line = `${name.padEnd(52)} ${String(alone).padEnd(10)} ${String(together).padEnd(24)} ${rounding}`;
      lines.push(line);
      // A shared run may round as Python's own does for so many rows, and no more.
      if (alone !== 0 || together > rounding) wrong.push(line);
    }
    process.stdout.write(
      `${[`${"model".padEnd(52)} alone      8 callers                Python, alone and in a batch`, ...lines].join("\n")}\n`,
    );
    expect(wrong).toEqual([]);
  }, 1_800_000);
});

interface Differences {
  readonly alone: number;
  readonly together: number;
  readonly rounding: number;
}

function failed(name: string, error: unknown): Differences {
  process.stderr.write(`${name}: ${String(error)}\n`);
  return { alone: Infinity, together: Infinity, rounding: 0 };
}

async function tryModel(name: string): Promise<Differences> {
  const folder = path.join(models, name);
  const { requests, rounding } = await readCases(path.join(folder, "case.json"));
  const version = await cluster.publishBundle(name, await filesOf(folder));
  if (version.state !== "ready") throw new Error(`${name} was rejected: ${version.reason}`);
  await cluster.deploy({ name, model: name, version: version.version, limits: { memMiB: 1_024 } });
  try {
    await cluster.whenDeploymentReady(name, 60_000);
    return { ...(await differences(name, requests)), rounding };
  } finally {
    await cluster.request("DELETE", `/deployments/${name}`);
  }
}
