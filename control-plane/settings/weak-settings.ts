import { isLoopback } from "../../shared/base/network/loopback.ts";
import type { Config } from "../config.ts";

/** What is known before anything is opened. */
export interface StartFacts {
  readonly config: Pick<
    Config,
    "databaseUrl" | "migrationUrl" | "host" | "publicUrl" | "tls" | "corsOrigins" | "objectStore"
  >;
  readonly env: NodeJS.ProcessEnv;
  /** What Node was started with. */
  readonly execArgv: readonly string[];
  /** Undefined where the system has none. */
  readonly uid: number | undefined;
}

/** What only the database knows. */
export interface DatabaseFacts {
  /** How much this machine's clock is ahead of the database's; negative: behind. */
  readonly clockAheadMs: number;
  /** Id of the key in SKERRY_ADMIN_KEY_FILE, when it is good still and there is another admin key. */
  readonly firstKeyLeft: string | undefined;
}

const MAX_CLOCK_MS = 5 * 60_000;
const MIN_PASSWORD_CHARACTERS = 16;
/** Of databases and stores as they come, and of examples, ours among them. */
const KNOWN_SECRETS = new Set(
  "admin admin123 changeme change-me example minio minio123 minioadmin password postgres postgresql root secret skerry test".split(
    " ",
  ),
);
const ENCRYPTED = new Set(["require", "verify-ca", "verify-full"]);

/** Every setting that is too weak for production, a line each; none: it may start. */
export function weakSettings({ config, env, execArgv, uid }: StartFacts): readonly string[] {
  const { databaseUrl, migrationUrl, host, publicUrl, tls, corsOrigins, objectStore } = config;
  const isOpen = !isLoopback(host);
  const nodeOptions = `${execArgv.join(" ")} ${env["NODE_OPTIONS"] ?? ""}`;
  return [
    ...weakDatabase("DATABASE_URL", databaseUrl, env),
    ...(migrationUrl === undefined ? [] : weakDatabase("SKERRY_MIGRATION_URL", migrationUrl, env)),
    ...when(
      isOpen && tls.mode === "off" && !publicUrl.startsWith("https:"),
      `SKERRY_TLS: others can reach ${host} in plain text. Serve TLS, or name the proxy with TLS in front by its https address in SKERRY_PUBLIC_URL.`,
    ),
    ...when(
      isPlainBeyondLoopback(env["SKERRY_PEER_URL"]),
      "SKERRY_PEER_URL: other control planes send requests of nodes there in plain text. Serve TLS, and name it by wss://.",
    ),
    ...when(
      isPlainBeyondLoopback(objectStore?.endpoint),
      "AWS_ENDPOINT_URL_S3: model files travel from and to the object store in plain text. Name it by https://.",
    ),
    ...when(
      isKnown(env["AWS_SECRET_ACCESS_KEY"]),
      "AWS_SECRET_ACCESS_KEY: this is the secret of an example or of a store as it comes. Make one of your own.",
    ),
    ...when(
      corsOrigins.includes("*"),
      "SKERRY_CORS_ORIGINS: the pages of every origin may read answers. Name the origins.",
    ),
    ...when(
      env["NODE_TLS_REJECT_UNAUTHORIZED"] === "0",
      "NODE_TLS_REJECT_UNAUTHORIZED: it is 0, and no certificate is verified. Unset it; NODE_EXTRA_CA_CERTS adds authorities.",
    ),
    ...when(
      /(^|\s)--inspect/.test(nodeOptions),
      "NODE_OPTIONS: --inspect lets everybody who reaches its port run code here. Start without it.",
    ),
    ...when(
      uid === 0,
      "uid: the control plane runs as root, and needs no right of root. Start it as a user of its own.",
    ),
  ];
}

/** As `weakSettings`, of what the database knows. */
export function weakFacts({ clockAheadMs, firstKeyLeft }: DatabaseFacts): readonly string[] {
  const minutes = Math.round(Math.abs(clockAheadMs) / 60_000);
  return [
    ...when(
      Math.abs(clockAheadMs) > MAX_CLOCK_MS,
      `clock: this machine is ${minutes} minutes ${clockAheadMs > 0 ? "ahead of" : "behind"} the database. Set both by NTP.`,
    ),
    ...when(
      firstKeyLeft !== undefined,
      `SKERRY_ADMIN_KEY_FILE: the first admin key is good still, although there is another one. Revoke it: skerry keys rm ${firstKeyLeft}`,
    ),
  ];
}

function weakDatabase(setting: string, url: string, env: NodeJS.ProcessEnv): readonly string[] {
  const { password: inUrl, hostname, searchParams } = new URL(url);
  const password = decodeURIComponent(inUrl) || env["PGPASSWORD"] || "";
  const isFile = searchParams.has("sslcert") || env["PGPASSFILE"] !== undefined;
  const inPath = decodeURIComponent(hostname).replaceAll(/[[\]]/g, "");
  const host = searchParams.get("host") ?? (inPath || env["PGHOST"] || "");
  // A path is that of a socket.
  const isLocal = host === "" || host.startsWith("/") || isLoopback(host);
  const isEncrypted = ENCRYPTED.has(searchParams.get("sslmode") ?? env["PGSSLMODE"] ?? "");
  return [
    ...when(password === "" && !isFile, `${setting}: it has no password. Give its role one.`),
    ...when(
      password !== "" && (isKnown(password) || password.length < MIN_PASSWORD_CHARACTERS),
      `${setting}: its password is a usual one or has fewer than ${MIN_PASSWORD_CHARACTERS} characters. Make a random one.`,
    ),
    ...when(
      !isLocal && !isEncrypted,
      `${setting}: ${host} is asked without TLS. Add ?sslmode=verify-full, with sslrootcert=FILE for an authority of your own.`,
    ),
  ];
}

function isPlainBeyondLoopback(url: string | undefined): boolean {
  const parsed = URL.parse(url ?? "");
  if (parsed === null || parsed.protocol === "https:" || parsed.protocol === "wss:") return false;
  return !isLoopback(parsed.hostname.replaceAll(/[[\]]/g, ""));
}

const when = (isSo: boolean, line: string): readonly string[] => (isSo ? [`  ${line}`] : []);

const isKnown = (secret: string | undefined): boolean =>
  secret !== undefined && KNOWN_SECRETS.has(secret.toLowerCase());
