import { hostname } from "node:os";
import { resolve } from "node:path";
import { parseEngine } from "../../shared/text/engine-setting.ts";
import { usageFailure } from "../failure.ts";
import { readSecret } from "../read-secret.ts";
import type { CommandContext } from "../run.ts";
import { readSource } from "../spec/read-documents.ts";

/** What `skerry join` is told of the node that it makes. */
export interface JoinOptions {
  readonly name?: string;
  readonly tokenFile?: string;
  readonly dir?: string;
  readonly localPort?: number;
  readonly localHost?: string;
  readonly localKeys?: string;
  /** File of public keys. */
  readonly signingKeys?: string;
  readonly again?: boolean;
  /** File of the sources and sinks of this device. */
  readonly streams?: string;
  readonly kind: string;
  /** `openai=URL` or `oip=URL`, with options after a comma. */
  readonly engine?: readonly string[];
  readonly installService?: boolean;
  readonly uninstallService?: boolean;
}

/** The node's name, or this machine's. Fails on one that no node can have, and on a kind that there is not. */
export function nameOf({ name = nodeNameFrom(hostname()), kind }: JoinOptions): string {
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name))
    throw usageFailure(`"${name}" is not a name for a node`, "use a–z, 0–9 and `-`, at most 63 characters");
  if (kind !== "edge" && kind !== "cloud") throw usageFailure(`--kind ${kind}: there are edge and cloud nodes`);
  return name;
}

/**
 * The token, from a file or stdin (`-`), the argument or the environment. Every process of a machine can read the arguments
 * of the others, so an argument that is a token is taken with a warning. Fails on a text that is none.
 */
export async function tokenFrom(
  run: CommandContext,
  token: string | undefined,
  { tokenFile }: JoinOptions,
): Promise<string | undefined> {
  if (token !== undefined && token !== "-" && tokenFile !== undefined)
    throw usageFailure("a token and --token-file exclude one another", "give one of them");
  const given = await readToken(run, token, tokenFile);
  if (given !== undefined && !given.startsWith("skj1."))
    throw usageFailure("this is not a join token", "a token begins with skj1.");
  return given;
}

async function readToken(
  run: CommandContext,
  token: string | undefined,
  tokenFile: string | undefined,
): Promise<string | undefined> {
  const { env, cwd, stdin, streams } = run.processEnv;
  if (token === "-" || tokenFile === "-") return (await readSecret(stdin, streams.err, "Join token: ")).trim();
  if (tokenFile !== undefined) return (await readSource(resolve(cwd, tokenFile), stdin)).trim();
  if (token !== undefined)
    run.output.warn("other users of this machine can read the token in the list of processes; --token-file hides it");
  return token ?? env["SKERRY_JOIN_TOKEN"];
}

/** Options go before the environment. Beyond this machine the node asks for keys: the control plane's, and its own. */
export function localSettings(
  run: CommandContext,
  { localHost, localKeys, signingKeys, streams, engine }: JoinOptions,
): Readonly<Record<string, string>> {
  const { env, cwd } = run.processEnv;
  const host = localHost ?? env["SKERRY_LOCAL_HOST"];
  const keys = localKeys === undefined ? env["SKERRY_LOCAL_KEYS_FILE"] : resolve(cwd, localKeys);
  const signing = signingKeys === undefined ? env["SKERRY_SIGNING_KEYS_FILE"] : resolve(cwd, signingKeys);
  const streamsFile = streams === undefined ? env["SKERRY_STREAMS_FILE"] : resolve(cwd, streams);
  const url = env["SKERRY_LOCAL_URL"];
  const hours = env["SKERRY_API_KEYS_OFFLINE_HOURS"];
  const engines =
    engine === undefined
      ? env["SKERRY_ENGINES"]
      : engine.map((text, at) => engineFrom(text, `--engine ${at + 1}`, cwd)).join(" ");
  return {
    ...(host !== undefined && { SKERRY_LOCAL_HOST: host }),
    ...(keys !== undefined && { SKERRY_LOCAL_KEYS_FILE: keys }),
    ...(signing !== undefined && { SKERRY_SIGNING_KEYS_FILE: signing }),
    ...(hours !== undefined && { SKERRY_API_KEYS_OFFLINE_HOURS: hours }),
    ...(streamsFile !== undefined && { SKERRY_STREAMS_FILE: streamsFile }),
    ...(url !== undefined && { SKERRY_LOCAL_URL: url }),
    ...(engines !== undefined && { SKERRY_ENGINES: engines }),
  };
}

/**
 * An engine, with the path of its key file from the folder of the command. Fails on one that the node could not read; what is
 * in `text` is not repeated, as it may be a password.
 */
function engineFrom(text: string, option: string, cwd: string): string {
  const found = parseEngine(text);
  if ("fault" in found)
    throw usageFailure(`${option}: ${found.fault}`, "give it as --engine openai=http://127.0.0.1:8000");
  const { keyFile } = found;
  if (keyFile === undefined) return text;
  const file = resolve(cwd, keyFile);
  if (/[\s,]/.test(file))
    throw usageFailure(`${option}: the path ${file} has a space or a comma`, "give its key file a path without them");
  return text.replace(`key-file=${keyFile}`, () => `key-file=${file}`);
}

/** Where this machine itself reaches what listens at `host`: an address for all interfaces is none to call. */
export function localUrl(host: string | undefined, port: number): string {
  if (host === undefined || host === "0.0.0.0" || host === "::") return `http://127.0.0.1:${port}`;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** A name for a node, made of this machine's. */
export function nodeNameFrom(host: string): string {
  const name = host
    .toLowerCase()
    .split(".")[0]
    ?.replaceAll(/[^a-z0-9-]+/g, "-")
    .slice(0, 63)
    .replaceAll(/^-+|-+$/g, "");
  return name === undefined || name === "" ? "node" : name;
}
