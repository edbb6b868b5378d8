import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import type { RequestOptions } from "node:https";

/** Where the API server is, and who we are there. */
export interface Credentials {
  /** `https://…`, without a slash at the end. */
  readonly server: string;
  /** Puts trust and identity into the options of one request; reads again what may have been renewed. */
  applyTo(options: RequestOptions): Promise<void>;
}

/** Where a pod finds its service account. */
const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** From KUBECONFIG, from the pod's own service account, or from ~/.kube/config; client-node is loaded only for a kubeconfig. */
export async function defaultCredentials(env: NodeJS.ProcessEnv = process.env): Promise<Credentials> {
  const { KUBECONFIG, KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = "443" } = env;
  if (KUBECONFIG === undefined && host !== undefined && existsSync(path.join(SERVICE_ACCOUNT, "token")))
    return serviceAccount(`https://${host.includes(":") ? `[${host}]` : host}:${port}`, SERVICE_ACCOUNT);
  try {
    const { defaultKubeconfig } = await import("./kubeconfig.ts");
    return defaultKubeconfig();
  } catch (error) {
    if (!isMissing(error)) throw error;
    const cause = { cause: error };
    throw new Error("images cannot read a kubeconfig: run in a pod with a service account", cause);
  }
}

/** The image leaves client-node out. */
const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";

/** A pod's service account: a token that the kubelet renews in place, and the cluster's certificate authority. */
export function serviceAccount(server: string, folder: string): Credentials {
  const token = new RenewedFile(path.join(folder, "token"));
  const ca = new RenewedFile(path.join(folder, "ca.crt"));
  return {
    server,
    async applyTo(options) {
      options.headers = Object.assign(options.headers ?? {}, {
        authorization: `Bearer ${(await token.read()).trim()}`,
      });
      options.ca = await ca.read();
    },
  };
}

/** A file that is read again when it was written since: the kubelet renews a token long before it ends. */
class RenewedFile {
  readonly #file: string;
  #writtenAt = Number.NaN;
  #text = "";

  constructor(file: string) {
    this.#file = file;
  }

  async read(): Promise<string> {
    const { mtimeMs } = await stat(this.#file);
    if (mtimeMs !== this.#writtenAt) {
      this.#text = await readFile(this.#file, "utf8");
      this.#writtenAt = mtimeMs;
    }
    return this.#text;
  }
}
