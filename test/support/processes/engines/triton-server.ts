import { type ChildProcess, execFile, spawn } from "node:child_process";
import { cp, mkdir, symlink } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { pythonWith } from "./python-environment.ts";
import { freePort, until } from "../skerry-process.ts";

const ENGINES = path.join(import.meta.dirname, "../../../engines");
const FACTS = 'import sysconfig; print(sysconfig.get_python_version(), sysconfig.get_path("platlib"))';

/** NVIDIA's Triton on the CPU, out of the wheel of PyTriton, with one model of `test/engines/triton`: the sum of each row. */
export class TritonServer {
  readonly #child: ChildProcess;
  readonly url: string;
  readonly metricsUrl: string;

  private constructor(child: ChildProcess, ports: { readonly http: number; readonly metrics: number }) {
    this.#child = child;
    this.url = `http://127.0.0.1:${ports.http}`;
    this.metricsUrl = `http://127.0.0.1:${ports.metrics}/metrics`;
  }

  /** In `folder`, which is made. `name`: what it calls the model. */
  static async start(folder: string, name: string): Promise<TritonServer> {
    const python = await pythonWith(path.join(ENGINES, "requirements-triton.txt"));
    const { stdout } = await promisify(execFile)(python, ["-c", FACTS]);
    const [version = "", packages = ""] = stdout.trim().split(" ");
    const triton = path.join(packages, "pytriton/tritonserver");
    const backend = path.join(folder, "backends/python");
    await cp(path.join(triton, "backends/python"), backend, { recursive: true });
    await cp(path.join(triton, "python_backend_stubs", version), backend, { recursive: true });
    // The stub looks for packages beside the backend: it may belong to another Python of the same version.
    for (const needed of ["numpy", "numpy.libs"])
      await symlink(path.join(packages, needed), path.join(backend, needed));
    const model = path.join(folder, "models", name);
    await mkdir(path.join(model, "1"), { recursive: true });
    await cp(path.join(ENGINES, "triton/config.pbtxt"), path.join(model, "config.pbtxt"));
    await cp(path.join(ENGINES, "triton/model.py"), path.join(model, "1/model.py"));
    const [http, grpc, metrics] = [await freePort(), await freePort(), await freePort()];
    const args = [
      `--model-repository=${path.join(folder, "models")}`,
      `--backend-directory=${path.join(folder, "backends")}`,
      "--http-address=127.0.0.1",
      `--http-port=${http}`,
      `--grpc-port=${grpc}`,
      `--metrics-port=${metrics}`,
    ];
    const env = { ...process.env, LD_LIBRARY_PATH: path.join(packages, "nvidia_pytriton.libs") };
    const child = spawn(path.join(triton, "bin/tritonserver"), args, { env, stdio: "ignore", detached: true });
    const server = new TritonServer(child, { http, metrics });
    const isReady = async (): Promise<boolean> =>
      (await fetch(`${server.url}/v2/models/${name}/ready`).catch(() => undefined))?.ok === true;
    await until("Triton is ready", isReady, 120_000);
    return server;
  }

  /** With the processes that it started. */
  async kill(): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("close", resolve));
    process.kill(-pid, "SIGKILL");
    await ended;
  }
}
