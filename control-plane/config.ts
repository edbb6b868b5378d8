import type { z } from "zod";
import { isLoopback } from "../shared/base/network/loopback.ts";
import type { BucketSettings } from "./adapters/artifacts/s3/bucket.ts";
import type { Retention } from "./ports/retention.ts";
import { objectStoreComplaint, objectStoreOf } from "./settings/object-store-setting.ts";
import { oidcComplaint, oidcOf, type OidcSettings } from "./settings/oidc-setting.ts";
import { poolComplaint, type PoolConfig } from "./settings/pool-setting.ts";
import { type Settings, settings } from "./settings/settings.ts";
import { settingsError } from "./settings/settings-error.ts";
import { tlsComplaint, tlsOf, type TlsSettings } from "./settings/tls-setting.ts";

export interface Config {
  readonly databaseUrl: string;
  /** Undefined: `databaseUrl` makes migrations too. */
  readonly migrationUrl: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly tls: TlsSettings;
  /** Without a slash at the end. */
  readonly publicUrl: string;
  readonly trustedProxies: number;
  readonly corsOrigins: readonly string[];
  /** Undefined: gRPC is not served. */
  readonly grpcPort: number | undefined;
  readonly dataDir: string;
  /** Undefined: model files are in `dataDir`. Its credentials are read from the environment and never kept here. */
  readonly objectStore: BucketSettings | undefined;
  readonly nodeUrls: readonly string[] | undefined;
  /** Null: other control planes do not reach this one. */
  readonly peerUrl: string | null;
  readonly adminKeyFile: string | undefined;
  /** Undefined: people log in with API keys. */
  readonly oidc: OidcSettings | undefined;
  /** `namespace/name` of each; none: pods do not join. */
  readonly podServiceAccounts: readonly string[];
  /** Undefined: custom resources are not carried out. */
  readonly kubernetesNamespace: string | undefined;
  readonly podSite: string;
  readonly cloudPools: readonly PoolConfig[];
  readonly heartbeatMs: number;
  readonly suspectMs: number;
  readonly lostMs: number;
  readonly scaleDownMs: number;
  readonly drainNoticeMs: number;
  readonly retention: Retention;
  /** Bytes of one inference's body, and of those of all under way. */
  readonly bodyBytes: number;
  readonly bodiesBytes: number;
  readonly logLevel: string;
  /** Weak settings are refused. */
  readonly isProduction: boolean;
  readonly exitWithParent: boolean;
}

/** Reads all settings at once. Throws one error that lists every complaint, setting by setting. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const parsed = settings.safeParse(withoutOthers(env));
  if (!parsed.success) throw settingsError(complaints(parsed.error));
  const { data } = parsed;
  const together = [
    ["SKERRY_TLS", tlsComplaint(data, { isLoopback: isLoopback(data.SKERRY_HOST) })],
    ["SKERRY_OIDC_ISSUER", oidcComplaint(data)],
    ["SKERRY_CLOUD_POOLS", poolComplaint(data)],
    ["SKERRY_OBJECT_STORE", objectStoreComplaint(data)],
  ].flatMap(([name, complaint]) => (complaint === undefined ? [] : [`  ${name}: ${complaint}.`]));
  if (together.length > 0) throw settingsError(together);
  const tls = tlsOf(data);
  const isSecure = tls.mode !== "off";
  return {
    databaseUrl: data.DATABASE_URL,
    migrationUrl: data.SKERRY_MIGRATION_URL,
    host: data.SKERRY_HOST,
    port: data.SKERRY_PORT,
    tls,
    publicUrl: data.SKERRY_PUBLIC_URL ?? `${isSecure ? "https" : "http"}://${hostInUrl(data)}:${data.SKERRY_PORT}`,
    trustedProxies: data.SKERRY_TRUSTED_PROXIES,
    corsOrigins: data.SKERRY_CORS_ORIGINS,
    grpcPort: data.SKERRY_GRPC_PORT,
    dataDir: data.SKERRY_DATA_DIR,
    objectStore: objectStoreOf(data),
    nodeUrls: data.SKERRY_NODE_URLS?.split(",").map((url) => url.trim()),
    peerUrl: data.SKERRY_PEER_URL ?? peerUrlOf(data, isSecure ? "wss" : "ws"),
    adminKeyFile: data.SKERRY_ADMIN_KEY_FILE,
    oidc: oidcOf(data),
    podServiceAccounts: data.SKERRY_POD_SERVICE_ACCOUNTS?.split(",").map((account) => account.trim()) ?? [],
    kubernetesNamespace: data.SKERRY_KUBERNETES_NAMESPACE,
    podSite: data.SKERRY_POD_SITE,
    cloudPools: data.SKERRY_CLOUD_POOLS,
    heartbeatMs: Math.min(data.SKERRY_HEARTBEAT_MS, data.SKERRY_SUSPECT_MS / 3),
    suspectMs: data.SKERRY_SUSPECT_MS,
    lostMs: data.SKERRY_LOST_MS,
    scaleDownMs: data.SKERRY_SCALE_DOWN_SECONDS * 1_000,
    drainNoticeMs: data.SKERRY_DRAIN_NOTICE_MS,
    retention: {
      eventDays: data.SKERRY_EVENT_DAYS,
      auditDays: data.SKERRY_AUDIT_DAYS,
      leftoverDays: data.SKERRY_LEFTOVER_DAYS,
    },
    bodyBytes: data.SKERRY_BODY_MIB * 1_048_576,
    bodiesBytes: data.SKERRY_BODIES_MIB * 1_048_576,
    logLevel: data.SKERRY_LOG_LEVEL,
    isProduction: data.SKERRY_PRODUCTION,
    exitWithParent: data.SKERRY_EXIT_WITH_PARENT,
  };
}

/** Variables of AWS count with a bucket alone, because they may be there for other programs. An empty one is none. */
function withoutOthers(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const hasBucket = env["SKERRY_OBJECT_STORE"] !== undefined;
  const isRead = ([name, value]: [string, string | undefined]): boolean =>
    !name.startsWith("AWS_") || (hasBucket && value !== "");
  return Object.fromEntries(Object.entries(env).filter(isRead));
}

/** The addresses that stand for all of a machine's are no way to it. */
const ANY_ADDRESS = new Set(["0.0.0.0", "::", "::0"]);

function peerUrlOf(settings: Settings, scheme: "ws" | "wss"): string | null {
  const { SKERRY_HOST: host, SKERRY_PORT: port } = settings;
  if (port === 0 || ANY_ADDRESS.has(host)) return null;
  return `${scheme}://${hostInUrl(settings)}:${port}`;
}

const hostInUrl = ({ SKERRY_HOST: host }: Settings): string => (host.includes(":") ? `[${host}]` : host);

function complaints(error: z.ZodError): readonly string[] {
  return error.issues.map((issue) => {
    const name = String(issue.path[0]);
    const about = settings.shape[name as keyof typeof settings.shape]?.description ?? "";
    return `  ${name}: ${issue.message}. ${about}`;
  });
}
