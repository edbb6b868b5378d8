import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { homedir, hostname } from "node:os";
import { join as joinPath, resolve } from "node:path";
import { z } from "zod";
import { sleep, systemClock } from "../../shared/base/clock.ts";
import { DRAIN_MS } from "../../shared/protocol/limits.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { CliFailure, usageFailure } from "../failure.ts";
import { answersOk } from "../processes/answers.ts";
import { Child, type Ended } from "../processes/child.ts";
import { lastLines } from "../processes/log-file.ts";
import { firstFreePort, isPortFree } from "../processes/ports.ts";
import { EDGE_NODE, programEnvironment } from "../processes/programs.ts";
import { readSecret } from "../read-secret.ts";
import type { CommandContext } from "../run.ts";
import { readSource } from "../spec/read-documents.ts";

export interface JoinOptions {
  readonly name?: string;
  readonly tokenFile?: string;
  readonly dir?: string;
  readonly localPort?: number;
  readonly localHost?: string;
  readonly localKeys?: string;
  readonly kind: string;
}

const readiness = z.object({ reasons: z.array(z.string()) });
const FIRST_LOCAL_PORT = 7090;
/** The node drains first, then it is killed. */
const KILL_MS = DRAIN_MS + 5_000;
const SHOWN_LINES = 12;

interface JoiningNode {
  readonly name: string;
  readonly server: string;
  readonly directory: string;
  readonly logFile: string;
  /** Where this machine itself reaches it. */
  readonly localUrl: string;
  /** Settings of its own API, as its program reads them. */
  readonly local: Readonly<Record<string, string>>;
  readonly token: string | undefined;
  readonly hasIdentity: boolean;
}

/** `skerry join`: runs the node's own program in the foreground. Ctrl-C drains it; a second one kills it. */
export async function join(run: CommandContext, token: string | undefined, options: JoinOptions): Promise<ExitCode> {
  const { output } = run;
  const node = await prepare(run, token, options);
  output.say(
    `${node.name} ${node.hasIdentity ? "has joined before; it connects" : "joins"} at ${node.server}; its data is in ${node.directory}`,
  );
  const child = start(run, node, options.kind);
  const watching = new AbortController();
  const told = announce(run, node, AbortSignal.any([run.signal, watching.signal])).catch(() => {});
  const ended = await Promise.race([child.ended, aborted(run.signal)]);
  watching.abort();
  await told;
  if (ended !== undefined) throw endedByItself(node, ended);
  output.say(`\n${node.name} is draining; Ctrl-C again to kill it.`);
  await child.stop(KILL_MS, systemClock);
  output.say(`${node.name} has stopped. The same node again: skerry join --name ${node.name} --server ${node.server}`);
  // This is how it is meant to end.
  return EXIT.ok;
}

async function prepare(run: CommandContext, token: string | undefined, options: JoinOptions): Promise<JoiningNode> {
  const { env, cwd } = run.processEnv;
  const name = options.name ?? nodeNameFrom(hostname());
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name))
    throw usageFailure(`"${name}" is not a name for a node`, "use a–z, 0–9 and `-`, at most 63 characters");
  if (options.kind !== "edge" && options.kind !== "cloud")
    throw usageFailure(`--kind ${options.kind}: there are edge and cloud nodes`);
  const directory = options.dir === undefined ? defaultDirectory(env, name) : resolve(cwd, options.dir);
  const hasIdentity = existsSync(joinPath(directory, "identity.json"));
  const given = await tokenFrom(run, token, options);
  if (given === undefined && !hasIdentity) {
    throw usageFailure(
      `${name} has not joined yet (there is no identity in ${directory}), and there is no token`,
      "an operator makes one with `skerry token create --print-join`",
    );
  }
  if (given !== undefined && !given.startsWith("skj1."))
    throw usageFailure("this is not a join token", "a token begins with skj1.");
  const local = localSettings(run, options);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const localPort = await chooseLocalPort(options.localPort);
  return {
    name,
    server: (await run.target()).server,
    directory,
    logFile: joinPath(directory, "node.log"),
    localUrl: `http://${reachableHost(local["SKERRY_LOCAL_HOST"])}:${localPort}`,
    local: { ...local, SKERRY_LOCAL_PORT: String(localPort) },
    token: given,
    hasIdentity,
  };
}

/**
 * The token, from a file or stdin (`-`), the argument or the environment. Every process of a machine can read the arguments
 * of the others, so an argument that is a token is taken with a warning.
 */
async function tokenFrom(
  run: CommandContext,
  token: string | undefined,
  { tokenFile }: JoinOptions,
): Promise<string | undefined> {
  const { env, cwd, stdin, streams } = run.processEnv;
  if (token !== undefined && token !== "-" && tokenFile !== undefined)
    throw usageFailure("a token and --token-file exclude one another", "give one of them");
  if (token === "-" || tokenFile === "-") return (await readSecret(stdin, streams.err, "Join token: ")).trim();
  if (tokenFile !== undefined) return (await readSource(resolve(cwd, tokenFile), stdin)).trim();
  if (token !== undefined)
    run.output.warn("other users of this machine can read the token in the list of processes; --token-file hides it");
  return token ?? env["SKERRY_JOIN_TOKEN"];
}

const HERE = /^(localhost|::1|127(\.\d{1,3}){3})$/;

/** Options go before the environment. Beyond this machine the node takes no request without a key, so that is said at once. */
function localSettings(run: CommandContext, { localHost, localKeys }: JoinOptions): Readonly<Record<string, string>> {
  const { env, cwd } = run.processEnv;
  const host = localHost ?? env["SKERRY_LOCAL_HOST"];
  const keys = localKeys === undefined ? env["SKERRY_LOCAL_KEYS_FILE"] : resolve(cwd, localKeys);
  const url = env["SKERRY_LOCAL_URL"];
  if (host !== undefined && keys === undefined && !HERE.test(host))
    throw usageFailure(
      `at ${host} others can reach the node, so it asks them for a key, and there is no file of keys`,
      "make one with `skerry keys local callers.keys`, and name it with --local-keys",
    );
  return {
    ...(host !== undefined && { SKERRY_LOCAL_HOST: host }),
    ...(keys !== undefined && { SKERRY_LOCAL_KEYS_FILE: keys }),
    ...(url !== undefined && { SKERRY_LOCAL_URL: url }),
  };
}

/** An address for all interfaces is none to call. */
function reachableHost(host: string | undefined): string {
  if (host === undefined || host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
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

function defaultDirectory(env: NodeJS.ProcessEnv, name: string): string {
  return joinPath(env["XDG_STATE_HOME"] ?? joinPath(homedir(), ".local", "state"), "skerry", name);
}

async function chooseLocalPort(wanted: number | undefined): Promise<number> {
  if (wanted === undefined) return firstFreePort(FIRST_LOCAL_PORT);
  if (wanted > 65_535) throw usageFailure(`--local-port ${wanted}: ports end at 65535`);
  if (await isPortFree(wanted)) return wanted;
  throw new CliFailure(EXIT.error, {
    what: `127.0.0.1:${wanted} is taken by another program`,
    fix: "end that program, or name another port with --local-port",
  });
}

function start(run: CommandContext, node: JoiningNode, kind: string): Child {
  const child = new Child({
    name: node.name,
    ...EDGE_NODE,
    logFile: node.logFile,
    env: programEnvironment(run.processEnv.env, {
      SKERRY_STATE_DIR: node.directory,
      ...node.local,
      SKERRY_URL: node.server,
      SKERRY_NODE_NAME: node.name,
      SKERRY_NODE_KIND: kind,
      ...(node.token === undefined ? {} : { SKERRY_JOIN_TOKEN: node.token }),
    }),
  });
  run.processEnv.interrupts.onForce(() => child.kill());
  return child;
}

/** Says what the technician waits for, as it happens. */
async function announce(run: CommandContext, node: JoiningNode, signal: AbortSignal): Promise<void> {
  const local = node.localUrl;
  await untilTrue(() => answersOk(`${local}/livez`, signal), signal);
  run.output.say(`${node.name} is up; its own API is ${local}/v2, also while the control plane is away`);
  await untilTrue(() => answersOk(`${local}/readyz`, signal), signal);
  run.output.say(`${node.name} is ready. Ctrl-C drains it and ends; its log is ${node.logFile}`);
  await untilTrue(async () => (await reasonsOf(`${local}/readyz`, signal)).some(isRemoval), signal);
  run.output.warn((await reasonsOf(`${local}/readyz`, signal)).find(isRemoval) ?? "");
}

const isRemoval = (reason: string): boolean => reason.startsWith("this node was removed");

/** Why a probe says no; empty when it says yes or nothing. */
async function reasonsOf(url: string, signal: AbortSignal): Promise<readonly string[]> {
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(2_000)]) });
    return readiness.parse(await response.json()).reasons;
  } catch {
    signal.throwIfAborted();
    return [];
  }
}

async function untilTrue(isTrue: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  while (!(await isTrue())) await sleep(systemClock, 200, signal);
}

function aborted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((settle) => signal.addEventListener("abort", () => settle(undefined), { once: true }));
}

function endedByItself(node: JoiningNode, { how }: Ended): CliFailure {
  return new CliFailure(EXIT.error, {
    what: `${node.name} ended by itself (${how})`,
    why: [["its log ends with", ...lastLines(node.logFile, SHOWN_LINES)].join("\n")],
    fix: `read ${node.logFile}; a token lets one node join once, \`skerry token create --print-join\` makes another`,
  });
}
