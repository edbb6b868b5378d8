import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { freePort } from "../../../support/processes/skerry-process.ts";
import { type PeerModel, type PeerServer, startServer, type TensorShape } from "./peer-server.ts";

const run = promisify(execFile);

/** Where this Python keeps packages and its own library, and its version, as JSON. */
const PLACES =
  "import json,sysconfig,sys;print(json.dumps([sysconfig.get_path('purelib'),sysconfig.get_config_var('LIBDIR'),'%d.%d'%sys.version_info[:2]]))";

export interface TritonSettings {
  /** Processes of the Python backend, each with a session of its own. */
  readonly instances: number;
  readonly maxBatch: number;
}

/** Triton with one model in its Python backend, from the program in PyTriton's wheel, without PyTriton's own proxy. */
export async function startTriton(
  python: string,
  model: PeerModel,
  { settings, directory }: { readonly settings: TritonSettings; readonly directory: string },
): Promise<PeerServer> {
  const [packages, libraries, version] = JSON.parse((await run(python, ["-c", PLACES])).stdout) as string[];
  const server = path.join(packages ?? "", "pytriton/tritonserver");
  const repository = path.join(directory, `triton-${model.name}-${settings.instances}`);
  const folder = path.join(repository, model.name);
  await mkdir(path.join(folder, "1"), { recursive: true });
  await copyFile(path.join(import.meta.dirname, "triton_model.py"), path.join(folder, "1/model.py"));
  await copyFile(model.file, path.join(folder, "1/model.onnx"));
  await writeFile(path.join(folder, "config.pbtxt"), configOf(model, settings));
  const backends = await backendFolder(server, version ?? "", directory);
  const port = await freePort();
  const options = [
    `--model-repository=${repository}`,
    `--backend-directory=${backends}`,
    `--backend-config=python,shm-region-prefix-name=skerry-bench-${port}-`,
    "--http-address=127.0.0.1",
    `--http-port=${port}`,
    "--allow-grpc=false",
    "--allow-metrics=false",
    "--log-verbose=0",
  ];
  return startServer([path.join(server, "bin/tritonserver"), ...options], {
    port,
    env: {
      PATH: `${path.dirname(python)}:${process.env["PATH"]}`,
      LD_LIBRARY_PATH: `${libraries}:${path.join(packages ?? "", "nvidia_pytriton.libs")}`,
    },
    log: path.join(directory, `triton-${model.name}-${settings.instances}.log`),
    readyPath: "/v2/health/ready",
  });
}

function configOf({ name, input, outputs }: PeerModel, { instances, maxBatch }: TritonSettings): string {
  const tensor = ({ name: of, shape }: TensorShape): string =>
    `{ name: "${of}" data_type: TYPE_FP32 dims: [${shape.join(", ")}] }`;
  return [
    `name: "${name}"`,
    'backend: "python"',
    `max_batch_size: ${maxBatch}`,
    `input [${tensor(input)}]`,
    `output [${outputs.map(tensor).join(", ")}]`,
    "dynamic_batching { }",
    `instance_group [{ kind: KIND_CPU count: ${instances} }]`,
    "",
  ].join("\n");
}

/** The Python backend with the program that holds this version's interpreter: the wheel keeps one for each version elsewhere. */
async function backendFolder(server: string, version: string, directory: string): Promise<string> {
  const backends = path.join(directory, "triton-backends");
  const folder = path.join(backends, "python");
  if (existsSync(folder)) return backends;
  await mkdir(folder, { recursive: true });
  const stub = path.join(server, "python_backend_stubs", version, "triton_python_backend_stub");
  const own = path.join(server, "backends/python");
  const files = (await readdir(own)).map((name) => path.join(own, name));
  for (const file of [...files, stub]) await symlink(file, path.join(folder, path.basename(file)));
  return backends;
}
