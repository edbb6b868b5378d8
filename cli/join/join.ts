import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join as joinPath, resolve } from "node:path";
import { sleep, systemClock } from "../../shared/base/clock.ts";
import { DRAIN_MS } from "../../shared/protocol/limits.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { CliFailure, usageFailure } from "../failure.ts";
import { answersOk } from "../processes/answers.ts";
import { Child, type Ended } from "../processes/child.ts";
import { lastLines } from "../processes/log-file.ts";
import { firstFreePort, isPortFree } from "../processes/ports.ts";
import { EDGE_NODE, programEnvironment } from "../processes/programs.ts";
import type { CommandContext } from "../run.ts";
import { type JoinOptions, localSettings, localUrl, nameOf, tokenFrom } from "./node-options.ts";
import { reasonsOf } from "./readiness.ts";

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
  const child = start(run, node, options);
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
  const name = nameOf(options);
  const directory = options.dir === undefined ? defaultDirectory(env, name) : resolve(cwd, options.dir);
  const hasIdentity = existsSync(joinPath(directory, "identity.json"));
  const given = await tokenFrom(run, token, options);
  if (given === undefined && !hasIdentity) {
    throw usageFailure(
      `${name} has not joined yet (there is no identity in ${directory}), and there is no token`,
      "an operator makes one with `skerry token create --print-join`",
    );
  }
  const local = localSettings(run, options);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const localPort = await chooseLocalPort(options.localPort);
  return {
    name,
    server: (await run.target()).server,
    directory,
    logFile: joinPath(directory, "node.log"),
    localUrl: localUrl(local["SKERRY_LOCAL_HOST"], localPort),
    local: { ...local, SKERRY_LOCAL_PORT: String(localPort) },
    token: given,
    hasIdentity,
  };
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

function start(run: CommandContext, node: JoiningNode, { kind, again }: JoinOptions): Child {
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
      ...(run.authoritiesFile !== undefined && { SKERRY_CA_FILE: run.authoritiesFile }),
      ...(node.token === undefined ? {} : { SKERRY_JOIN_TOKEN: node.token }),
      ...(again === true && { SKERRY_JOIN_AGAIN: "1" }),
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
  await untilReady(run, `${local}/readyz`, signal);
  run.output.say(`${node.name} is ready. Ctrl-C drains it and ends; its log is ${node.logFile}`);
  await untilTrue(async () => (await reasonsOf(`${local}/readyz`, signal)).some(isRemoval), signal);
  run.output.warn((await reasonsOf(`${local}/readyz`, signal)).find(isRemoval) ?? "");
}

/** A node that waits for an operator says so, once. */
async function untilReady(run: CommandContext, readyz: string, signal: AbortSignal): Promise<void> {
  let waits: string | undefined;
  await untilTrue(async () => {
    if (await answersOk(readyz, signal)) return true;
    const reason = (await reasonsOf(readyz, signal)).find((each) => each.startsWith("this node waits"));
    if (reason !== undefined && reason !== waits) run.output.warn(reason);
    waits = reason ?? waits;
    return false;
  }, signal);
}

const isRemoval = (reason: string): boolean => reason.startsWith("this node was removed");

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
