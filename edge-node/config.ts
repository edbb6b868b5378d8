import { hostname } from "node:os";
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import type { z } from "zod";
import type { JoinToken } from "../shared/protocol/proofs.ts";
import type { EngineSetting } from "../shared/text/engine-setting.ts";
import type { StreamsFile } from "./adapters/streams/streams-file.ts";
import { proxyFor } from "./adapters/system/proxy-setting.ts";
import { readAuthorities, readKeys, readStreams, readToken } from "./config-files.ts";
import type { TrustedKeys } from "./core/placements/trust.ts";
import { type SettingName, type Settings, settings } from "./settings.ts";

export interface Config {
  readonly stateDir: string;
  readonly url: string | undefined;
  readonly joinToken: JoinToken | undefined;
  /** Even if there is an identity, unless it joined with this very token. */
  readonly joinsAgain: boolean;
  readonly podTokenFile: string | undefined;
  /** Undefined: versions need not be signed. */
  readonly signingKeys: TrustedKeys | undefined;
  /** Certificates, PEM; undefined: those of the machine. */
  readonly authorities: string | undefined;
  readonly name: string;
  readonly kind: "edge" | "cloud";
  readonly localHost: string;
  readonly localPort: number;
  /** Undefined: gRPC is not served. */
  readonly grpcPort: number | undefined;
  /** Without a slash at the end. */
  readonly localUrl: string | undefined;
  /** Beside addresses and `localhost`. */
  readonly localNames: readonly string[];
  readonly localKeysFile: string | undefined;
  /** 0: API keys are not taken. */
  readonly apiKeysOfflineMs: number;
  readonly corsOrigins: readonly string[];
  readonly readyWhen: "all" | "any";
  /** Bytes of request bodies that are held together. */
  readonly bodiesBytes: number;
  /** Bytes of one body over HTTP. */
  readonly bodyBytes: number;
  /** Threads of a text model's host. */
  readonly textThreads: number;
  readonly engines: readonly EngineSetting[];
  /** 0: as the node does. */
  readonly hostUid: number;
  /** Undefined: no stream runs here. */
  readonly streams: StreamsFile | undefined;
  readonly logLevel: string;
  readonly isNetworkTrusted: boolean;
  readonly exitWithParent: boolean;
  /** By HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY. */
  readonly proxyFor: (url: URL) => URL | undefined;
}

/** Secrets come from the environment or from files, never from arguments, which every process of the machine can read. */
const NO_FLAG: ReadonlySet<string> = new Set<SettingName>(["SKERRY_JOIN_TOKEN", "SKERRY_ENGINES"]);

/**
 * Reads all settings at once: `--state-dir x` goes before SKERRY_STATE_DIR, and so on. Throws one error that lists
 * every complaint, setting by setting.
 */
export function readConfig(env: NodeJS.ProcessEnv, args: readonly string[] = []): Config {
  const given = { ...env, ...flags(args) };
  const parsed = settings.safeParse(given);
  const complaints = parsed.success ? [] : parsed.error.issues.map(complaint);
  const token = readToken(given, complaints);
  const authorities = readAuthorities(given, complaints);
  const signingKeys = readKeys(given, complaints);
  const streams = readStreams(given, complaints);
  if (!parsed.success || complaints.length > 0)
    throw new Error(`the node cannot start with these settings:\n${complaints.join("\n")}`);
  const { data } = parsed;
  return {
    stateDir: data.SKERRY_STATE_DIR,
    url: data.SKERRY_URL,
    joinToken: token,
    joinsAgain: data.SKERRY_JOIN_AGAIN,
    podTokenFile: data.SKERRY_POD_TOKEN_FILE,
    authorities,
    signingKeys,
    name: data.SKERRY_NODE_NAME,
    kind: data.SKERRY_POD_TOKEN_FILE === undefined ? data.SKERRY_NODE_KIND : "cloud",
    localHost: data.SKERRY_LOCAL_HOST,
    localPort: data.SKERRY_LOCAL_PORT,
    grpcPort: data.SKERRY_GRPC_PORT,
    localUrl: data.SKERRY_LOCAL_URL,
    localNames: namesOf(data),
    localKeysFile: data.SKERRY_LOCAL_KEYS_FILE,
    apiKeysOfflineMs: data.SKERRY_API_KEYS_OFFLINE_HOURS * 3_600_000,
    corsOrigins: data.SKERRY_CORS_ORIGINS,
    readyWhen: data.SKERRY_READY,
    bodyBytes: data.SKERRY_BODY_MIB * 1_048_576,
    bodiesBytes: data.SKERRY_BODIES_MIB * 1_048_576,
    textThreads: data.SKERRY_TEXT_THREADS,
    engines: data.SKERRY_ENGINES,
    hostUid: data.SKERRY_HOST_UID,
    streams,
    logLevel: data.SKERRY_LOG_LEVEL,
    isNetworkTrusted: data.SKERRY_TRUSTED_NETWORK,
    exitWithParent: data.SKERRY_EXIT_WITH_PARENT,
    proxyFor: (url) => proxyFor(url, env),
  };
}

const flagOf = (name: string): string => name.slice("SKERRY_".length).toLowerCase().replaceAll("_", "-");

function flags(args: readonly string[]): Record<string, string> {
  const names = Object.keys(settings.shape).filter((name) => !NO_FLAG.has(name));
  const options = Object.fromEntries(names.map((name) => [flagOf(name), { type: "string" as const }]));
  const all: ParseArgsOptionsConfig = { ...options, engine: { type: "string", multiple: true } };
  const { values } = parseArgs({ args: [...args], options: all, strict: true, allowPositionals: false });
  const { engine: engines } = values;
  const given = Object.fromEntries(
    names.flatMap((name) => {
      const value = values[flagOf(name)];
      return typeof value === "string" ? [[name, value]] : [];
    }),
  );
  return Array.isArray(engines) ? { ...given, SKERRY_ENGINES: engines.join(" ") } : given;
}

/** What this machine calls itself, also to those that find it by mDNS, and what its settings call it. */
function namesOf(data: Settings): readonly string[] {
  const own = hostname();
  const url = data.SKERRY_LOCAL_URL;
  const said = url === undefined ? [] : [new URL(url).hostname];
  return [...data.SKERRY_LOCAL_NAMES, own, `${own}.local`, data.SKERRY_LOCAL_HOST, ...said];
}

function complaint(issue: z.core.$ZodIssue): string {
  const name = String(issue.path[0]);
  return `  ${name}: ${issue.message}. ${settings.shape[name as SettingName]?.description ?? ""}`;
}
