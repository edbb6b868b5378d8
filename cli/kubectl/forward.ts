import { execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import type { PluginArguments } from "./plugin-arguments.ts";

const SERVICE = "svc/skerry-control-plane";
const PORT = 7070;
const START_MS = 15_000;
const SECRET_MS = 5_000;
/** The Secret from which the control plane takes its first admin key. */
const SECRET = "skerry-admin";
const FORWARDING = /^Forwarding from 127\.0\.0\.1:(\d+) /;

export interface Forward {
  readonly server: string;
  stop(): void;
}

type Cluster = Pick<PluginArguments, "namespace" | "kubeContext">;

const clusterWords = ({ namespace, kubeContext }: Cluster): readonly string[] => [
  "--namespace",
  namespace,
  ...(kubeContext === undefined ? [] : ["--context", kubeContext]),
];

/**
 * A way to the control plane of the cluster, by `kubectl port-forward`, until `stop`. With TLS its certificate has to be for
 * 127.0.0.1 too. Throws a `CliFailure` with kubectl's reason.
 */
export async function forwardControlPlane({
  hasTls,
  ...cluster
}: Cluster & Pick<PluginArguments, "hasTls">): Promise<Forward> {
  const args = [...clusterWords(cluster), "port-forward", "--address", "127.0.0.1", SERVICE, `:${PORT}`];
  const child = spawn("kubectl", args, { stdio: ["ignore", "pipe", "pipe"] });
  const stop = (): void => void child.kill();
  let complaints = "";
  child.stderr.on("data", (bytes: Buffer) => (complaints = (complaints + bytes.toString()).slice(-2_000)));
  const port = await new Promise<string | undefined>((resolve) => {
    const timer = setTimeout(() => resolve(undefined), START_MS);
    const end = (found: string | undefined): void => {
      clearTimeout(timer);
      resolve(found);
    };
    child.once("error", (error) => {
      complaints = error.message;
      end(undefined);
    });
    child.once("exit", () => end(undefined));
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [, found] = FORWARDING.exec(line) ?? [];
      if (found !== undefined) end(found);
    });
  });
  if (port !== undefined) return { server: `${hasTls ? "https" : "http"}://127.0.0.1:${port}`, stop };
  stop();
  const why = complaints.trim();
  throw new CliFailure(EXIT.error, {
    what: `the control plane in the namespace ${cluster.namespace} cannot be reached through kubectl`,
    why: [why === "" ? `kubectl port-forward said nothing for ${START_MS / 1_000} s` : why],
    fix: `name its namespace with -n, or the address with --server; \`kubectl -n ${cluster.namespace} get ${SERVICE}\` shows whether it is there`,
  });
}

/** The key in the Secret of the first admin key, for those who may read it; undefined for all others. */
export async function keyInCluster(cluster: Cluster): Promise<string | undefined> {
  const args = [...clusterWords(cluster), "get", "secret", SECRET, "--output", "jsonpath={.data.admin\\.key}"];
  try {
    const { stdout } = await promisify(execFile)("kubectl", args, { timeout: SECRET_MS });
    const key = Buffer.from(stdout, "base64").toString().trim();
    return key === "" ? undefined : key;
  } catch {
    return undefined;
  }
}
