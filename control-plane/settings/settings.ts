import { z } from "zod";
import { bodiesMiB, bodyMiB, flag, httpUrl, logLevel, origins, port } from "../../shared/config/setting-types.ts";
import { NODE_NAME } from "../../shared/protocol/join-messages.ts";
import { HEARTBEAT_MS, LOST_MS, SUSPECT_MS } from "../../shared/protocol/limits.ts";
import { DEFAULT_DATA_DIR } from "./data-dir.ts";
import { objectStoreOrComplain } from "./object-store-setting.ts";
import { oidcSettings } from "./oidc-setting.ts";
import { poolsOrComplain } from "./pool-setting.ts";
import { tlsSettings } from "./tls-setting.ts";

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
export const settings = z.object({
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

export type Settings = z.output<typeof settings>;

/** Name → sentence, for docs/operate.md. */
export const SETTINGS: ReadonlyMap<string, string> = new Map(
  Object.entries(settings.shape).map(([name, { description = "" }]) => [name, description]),
);
