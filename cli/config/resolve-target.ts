import type { Target } from "../api/client.ts";
import { usageFailure } from "../failure.ts";
import type { Config } from "./config-file.ts";
import type { DevTarget } from "./dev-directory.ts";

/** The name that always means the `skerry dev` of this folder. */
export const DEV_CONTEXT = "dev";
const DEFAULT_SERVER = "http://127.0.0.1:7070";
/** Where the server comes from when nothing names one. */
export const BY_DEFAULT = "the default, because no context is set and no `skerry dev` runs in this folder";

export interface TargetSources {
  /** `--server` and `--context`. */
  readonly server: string | undefined;
  readonly context: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly config: Config;
  readonly dev: DevTarget | null;
}

/**
 * Decides whom a command speaks to: `--server`, `--context`, SKERRY_SERVER, the current context, the `skerry dev` of
 * this folder, 127.0.0.1:7070. A key that was kept for one origin is never sent to another, and the
 * authorities that were kept for an origin are the only ones that may vouch for it.
 */
export function resolveTarget(sources: TargetSources): Target {
  const { env, config, dev } = sources;
  const chosen = chooseServer(sources);
  const server = normalizeServer(chosen.server);
  const keys = [
    ...(env["SKERRY_API_KEY"] ? [{ server, apiKey: env["SKERRY_API_KEY"] }] : []),
    ...(chosen.apiKey === undefined ? [] : [chosen]),
    ...Object.values(config.contexts),
    ...(dev === null ? [] : [dev]),
  ];
  const apiKey = keys.find((entry) => entry.apiKey !== undefined && isSameOrigin(entry.server, server))?.apiKey;
  const ca = Object.values(config.contexts).find(
    (entry) => entry.ca !== undefined && isSameOrigin(entry.server, server),
  )?.ca;
  return { server, apiKey, ...(ca !== undefined && { ca }), source: chosen.source };
}

interface Choice {
  readonly server: string;
  readonly apiKey?: string | undefined;
  readonly source: string;
}

function chooseServer({ server, context, env, config, dev }: TargetSources): Choice {
  if (server !== undefined) return { server, source: "from `--server`" };
  if (context !== undefined) return namedContext(context, config, dev);
  if (env["SKERRY_SERVER"]) return { server: env["SKERRY_SERVER"], source: "from SKERRY_SERVER" };
  if (config.current !== null) return namedContext(config.current, config, dev);
  if (dev !== null) return { ...dev, source: `from the running \`skerry dev\` in ${dev.directory}` };
  return { server: DEFAULT_SERVER, source: BY_DEFAULT };
}

function namedContext(name: string, config: Config, dev: DevTarget | null): Choice {
  const entry = Object.hasOwn(config.contexts, name) ? config.contexts[name] : undefined;
  if (entry !== undefined) return { ...entry, source: `from the context ${name}` };
  if (name === DEV_CONTEXT) {
    if (dev !== null) return { ...dev, source: `from the running \`skerry dev\` in ${dev.directory}` };
    throw usageFailure("no `skerry dev` runs in this folder or above it", "start one with `npm start`");
  }
  const known = Object.keys(config.contexts);
  throw usageFailure(
    `there is no context named "${name}"`,
    known.length === 0 ? "make one with `skerry login`" : `known contexts: ${known.join(", ")}`,
  );
}

/** Origin and path prefix of an address; `host:port` alone means http. */
export function normalizeServer(text: string): string {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.parse(withScheme);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw usageFailure(`"${text}" is not the address of a server`, "give it as http://host:port or https://host");
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

function isSameOrigin(one: string, other: string): boolean {
  return URL.parse(one)?.origin === URL.parse(other)?.origin;
}
