import { z } from "zod";
import type { Retention } from "./ports/retention.ts";
import { bodiesMiB, bodyMiB, flag, httpUrl, logLevel, origins, port } from "../shared/config/setting-types.ts";
import { DEFAULT_DATA_DIR } from "./settings/data-dir.ts";
import { NODE_NAME } from "../shared/protocol/join-messages.ts";
import { isLoopback } from "../shared/base/network/loopback.ts";
import type { BucketSettings } from "./adapters/artifacts/s3/bucket.ts";
import { oidcComplaint, oidcOf, oidcSettings, type OidcSettings } from "./settings/oidc-setting.ts";
import { objectStoreComplaint, objectStoreOf, objectStoreOrComplain } from "./settings/object-store-setting.ts";
import { poolComplaint, type PoolConfig, poolsOrComplain } from "./settings/pool-setting.ts";
import { tlsComplaint, tlsOf, tlsSettings, type TlsSettings } from "./settings/tls-setting.ts";
import { HEARTBEAT_MS, LOST_MS, SUSPECT_MS } from "../shared/protocol/limits.ts";

/** Refused here, in words of ours: what a later reader throws has the whole URL in it, and that has a password. */
const databaseUrl = z
  .string()
  .min(1)
  .refine(
    (text) => URL.canParse(text),
    "this is no postgresql:// URL; write `/`, `#`, `?` and `@` of a password as %2F, %23, %3F and %40",
  );
const days = z.coerce.number().int().min(1).max(36_500);

/** Every setting of the control plane, with the sentence that explains it. All come from the environment. */
const settings = z.object({
  DATABASE_URL: databaseUrl.describe("PostgreSQL to keep everything in, as a postgresql:// URL."),
  SKERRY_MIGRATION_URL: databaseUrl
    .optional()
    .describe(
      "The same database by the role that owns its tables: migrations are made with it at the start, and the role of DATABASE_URL is made and given its rights, without that to change the audit log. Default: DATABASE_URL.",
    ),
  SKERRY_HOST: z.string().default("127.0.0.1").describe("Address to listen on."),
  SKERRY_PORT: port.default(7070).describe("Port to listen on."),
  SKERRY_GRPC_PORT: port
    .optional()
    .describe("Port of the Open Inference Protocol over gRPC, usually 8081; 0 for any free one. Default: not served."),
  ...tlsSettings,
  SKERRY_PUBLIC_URL: httpUrl
    .optional()
    .describe(
      "Where callers and nodes reach this control plane, e.g. https://skerry.example. Default: the address it listens on.",
    ),
  SKERRY_TRUSTED_PROXIES: z.coerce
    .number()
    .int()
    .min(0)
    .max(8)
    .default(0)
    .describe(
      "How many proxies in front add to X-Forwarded-For, for REST, gRPC and the sockets of nodes; 0: the header is not believed.",
    ),
  SKERRY_CORS_ORIGINS: origins.describe(
    "Origins whose pages may call the API from a browser, comma-separated, e.g. https://app.example; * for any. Default: none.",
  ),
  SKERRY_DATA_DIR: z
    .string()
    .default(DEFAULT_DATA_DIR)
    .describe("Folder for model files, and for compiled code that makes starts faster."),
  SKERRY_OBJECT_STORE: z
    .string()
    .optional()
    .transform(objectStoreOrComplain)
    .describe(
      "Bucket for model files, s3://BUCKET/PREFIX: needed by several control planes. SKERRY_DATA_DIR is then for uploads in their check. Default: SKERRY_DATA_DIR.",
    ),
  AWS_ENDPOINT_URL_S3: httpUrl
    .optional()
    .describe(
      "Address of an object store that is not AWS, e.g. https://minio.example:9000. AWS_ENDPOINT_URL is one too.",
    ),
  AWS_ENDPOINT_URL: httpUrl.optional().describe("The same, for all services of AWS."),
  AWS_REGION: z
    .string()
    .regex(/^[a-z0-9-]+$/, "not a region")
    .optional()
    .describe(
      "Region of the bucket. Default: us-east-1 with an address, else as the files of the AWS command line say.",
    ),
  AWS_ACCESS_KEY_ID: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Credentials for the object store. Default: AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE, or the pod's or machine's own.",
    ),
  AWS_SECRET_ACCESS_KEY: z.string().min(1).optional().describe("The secret of AWS_ACCESS_KEY_ID."),
  SKERRY_NODE_URLS: z
    .string()
    .optional()
    .describe(
      "Where nodes reach this control plane: ws:// or wss:// URLs, comma-separated. Default: that of SKERRY_PUBLIC_URL.",
    ),
  SKERRY_PEER_URL: z
    .url({ protocol: /^wss?$/ })
    .optional()
    .describe(
      "Where other control planes of the same database reach this one, a ws:// or wss:// URL; they forward requests for its nodes there. Default: SKERRY_HOST and SKERRY_PORT, if that is not an address for all.",
    ),
  SKERRY_ADMIN_KEY_FILE: z
    .string()
    .optional()
    .describe(
      "File of the first admin key, for when there is no key yet: the key in it is taken; without the file a key is made and written there (mode 0600).",
    ),
  ...oidcSettings,
  SKERRY_POD_SERVICE_ACCOUNTS: z
    .string()
    .regex(/^[a-z0-9-]+\/[a-z0-9.-]+(,\s*[a-z0-9-]+\/[a-z0-9.-]+)*$/, "not a list of namespace/name")
    .optional()
    .describe(
      "Service accounts whose Kubernetes pods join as cloud nodes without a join token: namespace/name, comma-separated.",
    ),
  SKERRY_KUBERNETES_NAMESPACE: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "not the name of a namespace")
    .optional()
    .describe(
      "Namespace of Kubernetes whose Models, ModelDeployments, EdgeNodes and CloudPools (skerry.dev) are carried out. Default: none.",
    ),
  SKERRY_POD_SITE: z
    .string()
    .regex(NODE_NAME, "1–63 lower-case letters, digits and hyphens")
    .default("cloud")
    .describe("The site of all nodes that are pods."),
  SKERRY_CLOUD_POOLS: z
    .string()
    .optional()
    .transform(poolsOrComplain)
    .describe(
      "Pools of cloud nodes that are scaled with demand, comma-separated: NAME=NAMESPACE/DEPLOYMENT:MIN-MAX for a Kubernetes Deployment of nodes, NAME=process:MIN-MAX for node processes on this machine.",
    ),
  SKERRY_HEARTBEAT_MS: z.coerce
    .number()
    .int()
    // A node may send 50 messages a second, and an idle one sends its load with each heartbeat.
    .min(50)
    .default(HEARTBEAT_MS)
    .describe("Interval of a node's heartbeats, in ms; a third of SKERRY_SUSPECT_MS at most."),
  SKERRY_SUSPECT_MS: z.coerce
    .number()
    .int()
    .min(1_000)
    .default(SUSPECT_MS)
    .describe("Time without a message after which a node gets no new requests, in ms."),
  SKERRY_LOST_MS: z.coerce
    .number()
    .int()
    .min(2_000)
    .default(LOST_MS)
    .describe("Time without a message after which a node's placements may move, in ms."),
  SKERRY_SCALE_DOWN_SECONDS: z.coerce
    .number()
    .int()
    .min(1)
    .max(86_400)
    .default(60)
    .describe(
      "How long a deployment whose replicas follow demand keeps the largest number of replicas that was asked for, in seconds.",
    ),
  SKERRY_DRAIN_NOTICE_MS: z.coerce
    .number()
    .int()
    .min(0)
    .max(60_000)
    .default(2_000)
    .describe(
      "How long a control plane that stops goes on serving after /readyz says no, in ms, so that a load balancer sees it; not when it is the only one.",
    ),
  SKERRY_EVENT_DAYS: days.default(30).describe("How long events are kept, in days."),
  SKERRY_AUDIT_DAYS: z.coerce
    .number()
    .int()
    .min(0)
    .default(0)
    .describe("How long audit entries are kept, in days; 0: without a limit."),
  SKERRY_LEFTOVER_DAYS: days
    .default(30)
    .describe("How long expired join tokens and rejected versions are kept, in days."),
  SKERRY_BODY_MIB: bodyMiB,
  SKERRY_BODIES_MIB: bodiesMiB
    .default(512)
    .describe("Bodies of inferences that the control plane holds together, in MiB. Beyond it: 429."),
  SKERRY_LOG_LEVEL: logLevel,
  SKERRY_PRODUCTION: flag.describe("1: refuse to start with weak settings, and list all of them (exit code 78)."),
  SKERRY_EXIT_WITH_PARENT: flag.describe(
    "1: stop when standard input closes, so that a killed supervisor leaves nothing behind.",
  ),
});

type Settings = z.output<typeof settings>;

/** Name → sentence, for docs/operate.md. */
export const SETTINGS: ReadonlyMap<string, string> = new Map(
  Object.entries(settings.shape).map(([name, { description = "" }]) => [name, description]),
);

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

/** What is wrong with the settings, a line for each. The program ends with it; starting again does not help. */
export function settingsError(
  lines: readonly string[],
  what = "the control plane cannot start with these settings",
): Error {
  const error = new Error(`${what}:\n${lines.join("\n")}`);
  error.name = SETTINGS_ERROR;
  return error;
}

const SETTINGS_ERROR = "SettingsError";

export const isSettingsError = (error: unknown): error is Error =>
  error instanceof Error && error.name === SETTINGS_ERROR;
