import { statSync } from "node:fs";
import nodeModule from "node:module";
import { homedir } from "node:os";
import path from "node:path";
import type { RequestOptions } from "node:https";
import type { KubeConfig } from "@kubernetes/client-node";
import type { Credentials } from "./credentials.ts";

type Config = Pick<KubeConfig, "getCurrentCluster" | "applyToHTTPSOptions">;

/** What client-node's configuration imports for typed requests and for `fetch`, neither of which is made here. */
const UNUSED: ReadonlyMap<string, string> = new Map([
  ["./gen/index.js", "export const createConfiguration = undefined, ServerConfiguration = undefined;"],
  ["undici", "export const Agent = undefined, ProxyAgent = undefined;"],
]);

/**
 * What KUBECONFIG or ~/.kube/config says, through client-node, which knows everything that may be in one. Read again when a
 * file was written since: a login writes a new token there. Throws when no cluster is configured.
 */
export async function defaultKubeconfig(): Promise<Credentials> {
  const Loaded = await loadKubeConfig();
  const load = (): Config => {
    const config = new Loaded();
    config.loadFromDefault();
    return config;
  };
  const named = (process.env["KUBECONFIG"] ?? "").split(path.delimiter).filter((file) => file !== "");
  const files = named.length > 0 ? named : [path.join(homedir(), ".kube", "config")];
  return new RenewedConfig(load, () => files.map(writtenAt).join());
}

/** A configuration that stays as it is. */
export const kubeconfig = (config: Config): Credentials =>
  new RenewedConfig(
    () => config,
    () => "",
  );

class RenewedConfig implements Credentials {
  readonly #load: () => Config;
  readonly #stamp: () => string;
  #config: Config;
  #loadedAt: string;

  /** `stamp`: another one when the configuration has to be loaded again. */
  constructor(load: () => Config, stamp: () => string) {
    this.#load = load;
    this.#stamp = stamp;
    this.#loadedAt = stamp();
    this.#config = load();
    serverOf(this.#config);
  }

  get server(): string {
    return serverOf(this.#config);
  }

  async applyTo(options: RequestOptions): Promise<void> {
    const stamp = this.#stamp();
    if (stamp !== this.#loadedAt) this.#renew(stamp);
    await this.#config.applyToHTTPSOptions(options);
  }

  /** A file that is half written or gone leaves what was known: the next request looks again. */
  #renew(stamp: string): void {
    try {
      const config = this.#load();
      serverOf(config);
      this.#config = config;
      this.#loadedAt = stamp;
    } catch {
      // What was known may still be right; when it is not, the API server says so.
    }
  }
}

function serverOf(config: Config): string {
  const cluster = config.getCurrentCluster();
  if (cluster === null)
    throw new Error("no Kubernetes cluster is configured: run in a pod with a service account, or set KUBECONFIG");
  return cluster.server.replace(/\/$/, "");
}

const writtenAt = (file: string): string => String(statSync(file, { throwIfNoEntry: false })?.mtimeMs);

/**
 * client-node with its typed API takes 74 MB of memory (RSS, Node 24), its configuration alone 12. While it is loaded, what it
 * imports for the rest is replaced; where modules cannot be replaced (under Jest), or are called otherwise in another version,
 * the whole is loaded and everything works all the same.
 */
async function loadKubeConfig(): Promise<typeof KubeConfig> {
  const hooks =
    "registerHooks" in nodeModule
      ? nodeModule.registerHooks({
          resolve(specifier, context, next) {
            const source = UNUSED.get(specifier);
            if (source === undefined || context.parentURL?.endsWith("/client-node/dist/config.js") !== true)
              return next(specifier, context);
            return { url: `data:text/javascript,${encodeURIComponent(source)}`, format: "module", shortCircuit: true };
          },
        })
      : undefined;
  try {
    return (await import("@kubernetes/client-node/dist/config.js")).KubeConfig;
  } finally {
    hooks?.deregister();
  }
}
