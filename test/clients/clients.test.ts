import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { execFileSync } from "node:child_process";
import path from "node:path";
import { identityModel } from "../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { pythonWith } from "../support/processes/engines/python-environment.ts";
import { SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { freePort, until } from "../support/processes/skerry-process.ts";
import { ended, type Ended } from "./ended.ts";

/** The clients that people have, as they come from their registries, against a real control plane and a real node. */

let database: TestDatabase;
let cluster: SkerryCluster;
let triton: string;
let mlserver: string;

interface Place {
  readonly http: string;
  readonly grpc: string;
  readonly key: string;
}
const places = new Map<string, Place>();

beforeAll(async () => {
  [triton, mlserver] = await Promise.all([
    pythonWith(path.join(import.meta.dirname, "requirements-triton-kserve.txt")),
    pythonWith(path.join(import.meta.dirname, "requirements-mlserver.txt")),
  ]);
  database = await startTestDatabase();
  const [controlPlaneGrpc, nodeGrpc] = [String(await freePort()), String(await freePort())];
  cluster = await SkerryCluster.start(database.url, { SKERRY_GRPC_PORT: controlPlaneGrpc });
  const node = await cluster.addNode("edge-a", { env: { SKERRY_GRPC_PORT: nodeGrpc } });
  const models = {
    floats: identityModel("FP32", ["n", 2]),
    integers: identityModel("INT64", ["n", 2]),
    texts: identityModel("BYTES", ["n"]),
  };
  for (const [name, file] of Object.entries(models)) {
    await cluster.publish(name, file);
    await cluster.deploy({ name, model: name, version: 1, placement: { edge: { min: 1 } } });
  }
  for (const name of Object.keys(models)) await cluster.whenDeploymentReady(name);
  await until("the node is ready", async () => (await fetch(`${node.localUrl}/v2/health/ready`)).ok);
  places.set("control plane", {
    http: cluster.url,
    grpc: `127.0.0.1:${controlPlaneGrpc}`,
    key: cluster.adminKey,
  });
  places.set("node", { http: node.localUrl, grpc: `127.0.0.1:${nodeGrpc}`, key: "" });
}, 600_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

const REQUEST = JSON.stringify({ inputs: [{ name: "x", datatype: "FP32", shape: [1, 2], data: [1, -2.5] }] });
const placeOf = (name: string): Place => places.get(name) ?? { http: "", grpc: "", key: "" };

function hasProgram(name: string): boolean {
  try {
    execFileSync(name, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** What a script printed when it failed, and how many things it tried. */
function resultOf({ code, stdout, stderr }: Ended): { readonly failure: string; readonly tried: number } {
  return {
    failure: code === 0 ? "" : `${stdout}${stderr}`,
    tried: stdout.split("\n").filter((line) => line.startsWith("ok ")).length,
  };
}

const SCRIPTS: readonly (readonly [client: string, environment: "triton" | "mlserver", script: string])[] = [
  ["tritonclient over HTTP", "triton", "triton_http.py"],
  ["tritonclient over gRPC", "triton", "triton_grpc.py"],
  ["perf_analyzer's calls", "triton", "perf_calls.py"],
  ["kserve's clients over REST and gRPC", "triton", "kserve_clients.py"],
  ["mlserver's codecs and stub over REST and gRPC", "mlserver", "mlserver_clients.py"],
];
const JAVA = hasProgram("java") ? [["java"] as const] : [];
if (JAVA.length === 0) process.stderr.write("There is no java here: its HttpClient is not tried.\n");

describe.each(["control plane", "node"])("the %s answers", (place) => {
  it.each(SCRIPTS)(
    "%s",
    async (_client, environment, script) => {
      const { http, grpc, key } = placeOf(place);
      const python = { triton, mlserver }[environment];
      const { failure, tried } = resultOf(await ended(python, ["-W", "ignore", script, http, grpc, key, place]));
      expect(failure).toBe("");
      expect(tried).toBeGreaterThan(5);
    },
    120_000,
  );

  it.each(JAVA)(
    "%s's HttpClient",
    async (java) => {
      const { http, key } = placeOf(place);
      const { stdout, stderr } = await ended(java, ["JavaClient.java", http, key, REQUEST]);
      expect(`${stdout}${stderr}`).toMatch(/^200 .*"data":\[1,-2\.5\]/);
    },
    120_000,
  );

  it.each([[[]], [["--compressed"]], [["-H", "Content-Type: text/plain;charset=UTF-8"]]])(
    "curl -d %j",
    async (more) => {
      const { http, key } = placeOf(place);
      const authorization = key === "" ? [] : ["-H", `Authorization: Bearer ${key}`];
      const url = `${http}/v2/models/floats/infer`;
      const { stdout } = await ended("curl", ["-s", ...more, ...authorization, url, "-d", REQUEST]);
      expect(JSON.parse(stdout)).toMatchObject({ outputs: [{ data: [1, -2.5] }] });
    },
  );
});
