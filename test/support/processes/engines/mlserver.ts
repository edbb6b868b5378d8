import { type ChildProcess, spawn } from "node:child_process";
import { cp, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { pythonWith } from "./python-environment.ts";
import { freePort, until } from "../skerry-process.ts";

const TEST = path.join(import.meta.dirname, "../../..");

/** The MLServer of PyPI with one model of `test/engines/mlserver`: the sum of each row. */
export class MlServer {
  readonly #child: ChildProcess;
  readonly url: string;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** In `folder`, which is made. `name`: what it calls the model. */
  static async start(folder: string, name: string): Promise<MlServer> {
    const python = await pythonWith(path.join(TEST, "clients/requirements-mlserver.txt"));
    const [port, grpc, metrics] = [await freePort(), await freePort(), await freePort()];
    await mkdir(folder, { recursive: true });
    await cp(path.join(TEST, "engines/mlserver"), folder, { recursive: true });
    const tensor = (of: string, shape: readonly number[]) => ({ name: of, datatype: "FP64", shape });
    const settings = {
      host: "127.0.0.1",
      http_port: port,
      grpc_port: grpc,
      metrics_port: metrics,
      parallel_workers: 0,
    };
    await writeFile(path.join(folder, "settings.json"), JSON.stringify({ ...settings, debug: false }));
    const model = { name, implementation: "sums.Sums", parameters: { version: "v7" } };
    const signature = { inputs: [tensor("x", [-1, 3])], outputs: [tensor("y", [-1])] };
    await writeFile(path.join(folder, "model-settings.json"), JSON.stringify({ ...model, ...signature }));
    const program = path.join(path.dirname(python), "mlserver");
    const env = { ...process.env, PYTHONPATH: folder };
    const child = spawn(program, ["start", "."], { cwd: folder, env, stdio: "ignore", detached: true });
    const server = new MlServer(child, port);
    const isReady = async (): Promise<boolean> =>
      (await fetch(`${server.url}/v2/models/${name}/ready`).catch(() => undefined))?.ok === true;
    await until("MLServer is ready", isReady, 120_000);
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
