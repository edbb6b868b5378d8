import path from "node:path";
import { freePort } from "../../../support/processes/skerry-process.ts";
import { type PeerModel, type PeerServer, startServer } from "./peer-server.ts";

export interface MosecSettings {
  /** Worker processes, each with a session of its own. */
  readonly processes: number;
  /** Requests that may share a run; 1: none. */
  readonly maxBatch: number;
  /** The Python module that reads and writes JSON: mosec's own is `json`. */
  readonly json: "json" | "orjson";
}

/** mosec with one model. `directory`: where its log goes. */
export async function startMosec(
  python: string,
  model: PeerModel,
  { settings, directory }: { readonly settings: MosecSettings; readonly directory: string },
): Promise<PeerServer> {
  const port = await freePort();
  const script = path.join(import.meta.dirname, "mosec_server.py");
  const options = ["--address", "127.0.0.1", "--port", String(port), "--log-level", "warning"];
  const { processes, json } = settings;
  return startServer([python, "-W", "ignore", script, ...options], {
    port,
    env: { BENCH_PEER: JSON.stringify({ ...settings, file: model.file, name: model.name }) },
    log: path.join(directory, `mosec-${model.name}-${processes}-${json}.log`),
    readyPath: "/metrics",
  });
}
