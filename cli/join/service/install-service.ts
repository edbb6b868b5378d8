import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, readFile, realpath, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { sleep, systemClock } from "../../../shared/base/clock.ts";
import { BY_DEFAULT } from "../../config/resolve-target.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { CliFailure, usageFailure } from "../../failure.ts";
import { answersOk } from "../../processes/answers.ts";
import { isPortFree } from "../../processes/ports.ts";
import { EDGE_NODE } from "../../processes/programs.ts";
import type { CommandContext } from "../../run.ts";
import { type JoinOptions, localSettings, localUrl, nameOf, tokenFrom } from "../node-options.ts";
import { reasonsOf } from "../readiness.ts";
import { journalLines, requireSystemd, systemctl, unitState } from "./systemd.ts";
import {
  type Installation,
  KEYS_FILE,
  renderSettings,
  renderUnit,
  SETTINGS_FILE,
  SIGNING_KEYS_FILE,
  STATE_FOLDER,
  UNIT,
  UNIT_FILE,
} from "./unit.ts";

const DEFAULT_PORT = 7090;
/** How long the command waits for the node to be ready; the service goes on without it. */
const READY_MS = 60_000;
const LOOK_MS = 300;
const SHOWN_LINES = 12;
/** The one token is used up by then, and of no use to a reader of the file. */
const TOKEN = "SKERRY_JOIN_TOKEN";
const PROXIES = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"];
/** Settings of the caller's environment that the service gets, beside those of the options. */
const PASSED_ON = [
  "SKERRY_TRUSTED_NETWORK",
  "SKERRY_LOG_LEVEL",
  ...PROXIES,
  ...PROXIES.map((name) => name.toLowerCase()), // the node reads both
];

/**
 * `skerry join --install-service`: makes this machine's node a service of systemd that starts with the machine, and waits
 * until it is ready. Run again it replaces the settings and keeps the node.
 */
export async function installService(
  run: CommandContext,
  token: string | undefined,
  options: JoinOptions,
): Promise<ExitCode> {
  const { output } = run;
  if (options.dir !== undefined)
    throw usageFailure(
      "--dir and --install-service exclude one another",
      `the service keeps its data in ${STATE_FOLDER}`,
    );
  const name = nameOf(options);
  requireSystemd("--install-service");
  const unit = await renderedUnit();
  const settings = await settingsOf(run, { name, token, options });
  const { active } = await unitState();
  const { SKERRY_LOCAL_HOST: host, SKERRY_LOCAL_PORT: port } = settings;
  if (active !== "active" && !(await isPortFree(Number(port))))
    throw new CliFailure(EXIT.error, {
      what: `127.0.0.1:${port} is taken by another program`,
      fix: "end that program, or name another port with --local-port",
    });

  await writeSettings(run, settings);
  await writeFile(UNIT_FILE, unit, { mode: 0o644 });
  output.say(`wrote ${UNIT_FILE} and ${SETTINGS_FILE}`);
  await systemctl("daemon-reload");
  await systemctl("enable", UNIT);
  const startedAt = Date.now();
  await systemctl("restart", UNIT);
  output.say(`${UNIT} is enabled and runs; its data is in ${STATE_FOLDER}`);
  const isReady = await whenReady(run, { local: localUrl(host, Number(port)), startedAt });
  if (settings[TOKEN] !== undefined && existsSync(path.join(STATE_FOLDER, "identity.json"))) {
    const { [TOKEN]: _used, ...rest } = settings;
    await writeFile(SETTINGS_FILE, renderSettings(rest), { mode: 0o600 });
  }
  if (!isReady) return EXIT.unmet;
  output.say(
    `${name} is ready; its own API is ${localUrl(host, Number(port))}/v2, also while the control plane is away`,
  );
  output.say(`Its log: journalctl -u ${UNIT} -f`);
  output.next("join --uninstall-service   (takes the service away and keeps the node's data)");
  return EXIT.ok;
}

/** Fails where the service's own user could not read the program. */
async function renderedUnit(): Promise<string> {
  const root = await realpath(path.dirname(path.dirname(EDGE_NODE.script)));
  const installation: Installation = { root, node: await realpath(process.execPath), nodeFlags: EDGE_NODE.nodeFlags };
  const unit = renderUnit(await readFile(path.join(root, "deploy/systemd/skerry-node.service"), "utf8"), installation);
  for (const place of [root, path.join(root, "edge-node/main.ts"), installation.node]) {
    const { mode } = await stat(place);
    if ((mode & 0o4) === 0)
      throw new CliFailure(EXIT.error, {
        what: `${place} can be read by its owner only, and the service has a user of its own`,
        fix: `chmod -R o+rX ${root}`,
      });
  }
  return unit;
}

async function settingsOf(
  run: CommandContext,
  { name, token, options }: { name: string; token: string | undefined; options: JoinOptions },
): Promise<Readonly<Record<string, string>>> {
  const { env } = run.processEnv;
  const given = await tokenFrom(run, token, options);
  if (given === undefined && !existsSync(path.join(STATE_FOLDER, "identity.json")))
    throw usageFailure(
      `${name} has not joined yet (there is no identity in ${STATE_FOLDER}), and there is no token`,
      "an operator makes one with `skerry token create --print-join`",
    );
  const { server, source } = await run.target();
  if (source === BY_DEFAULT)
    throw usageFailure("a service has to know its control plane", "name it: --server https://skerry.example");
  const port = options.localPort ?? DEFAULT_PORT;
  if (port > 65_535) throw usageFailure(`--local-port ${port}: ports end at 65535`);
  return {
    SKERRY_URL: server,
    SKERRY_NODE_NAME: name,
    SKERRY_NODE_KIND: options.kind,
    SKERRY_LOCAL_PORT: String(port),
    ...localSettings(run, options),
    ...Object.fromEntries(PASSED_ON.flatMap((each) => (env[each] === undefined ? [] : [[each, env[each]]]))),
    ...(given !== undefined && { [TOKEN]: given }),
  };
}

/** Writes them for root alone. The list of keys holds no secret, and the service's user has to read it. */
async function writeSettings(run: CommandContext, settings: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(path.dirname(SETTINGS_FILE), { recursive: true, mode: 0o755 });
  const { SKERRY_LOCAL_KEYS_FILE: keys, SKERRY_SIGNING_KEYS_FILE: signing } = settings;
  if (signing !== undefined && signing !== SIGNING_KEYS_FILE) {
    await copyFile(signing, SIGNING_KEYS_FILE);
    await chmod(SIGNING_KEYS_FILE, 0o644);
  }
  if (keys !== undefined && keys !== KEYS_FILE) {
    await copyFile(keys, KEYS_FILE);
    await chmod(KEYS_FILE, 0o644); // a copy has the mode of its source, which is 0600
    run.output.say(`copied ${keys} to ${KEYS_FILE}, which the service reads again when it changes`);
  }
  const own = {
    ...settings,
    ...(keys !== undefined && { SKERRY_LOCAL_KEYS_FILE: KEYS_FILE }),
    ...(signing !== undefined && { SKERRY_SIGNING_KEYS_FILE: SIGNING_KEYS_FILE }),
  };
  await writeFile(SETTINGS_FILE, renderSettings(own), { mode: 0o600 });
}

/** Whether the node is ready within a minute. Fails when the service has given up. */
async function whenReady(
  run: CommandContext,
  { local, startedAt }: { readonly local: string; readonly startedAt: number },
): Promise<boolean> {
  const end = systemClock.now() + READY_MS;
  while (!(await answersOk(`${local}/readyz`, run.signal))) {
    const { active, exitCode } = await unitState();
    if (active === "failed" || systemClock.now() >= end) {
      const reasons = await reasonsOf(`${local}/readyz`, run.signal);
      const lines = await journalLines(SHOWN_LINES, startedAt);
      const why = [...reasons, ...(lines.length > 0 ? [["its log ends with", ...lines].join("\n")] : [])];
      if (active === "failed")
        throw new CliFailure(EXIT.error, {
          what: `${UNIT} ended and is not started again (exit code ${exitCode})`,
          why,
          fix: `correct ${SETTINGS_FILE}, or run this command again; a token lets one node join once`,
        });
      run.output.warn(
        `${UNIT} runs and is not ready after ${READY_MS / 1_000} s; it goes on trying\n${why.join("\n")}`,
      );
      return false;
    }
    await sleep(systemClock, LOOK_MS, run.signal);
  }
  return true;
}
