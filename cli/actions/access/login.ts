import { readFile } from "node:fs/promises";
import { session, TOKEN_PREFIX } from "../../../shared/api/v1/access/login.ts";
import { whoami } from "../../../shared/api/v1/access/keys.ts";
import { authorityByPin, readAuthorities } from "../../api/authorities.ts";
import { type ApiClient, decode } from "../../api/client.ts";
import { configPath, readConfig, writeConfig } from "../../config/config-file.ts";
import { normalizeServer } from "../../config/resolve-target.ts";
import { EXIT } from "../../exit-codes.ts";
import { CliFailure, usageFailure } from "../../failure.ts";
import { printObject } from "../../output/format.ts";
import { loginByDevice, providerOf } from "./device-login.ts";
import { readSecret } from "../../read-secret.ts";
import type { CommandContext } from "../../run.ts";

export interface LoginOptions {
  readonly keyFile?: string;
  readonly name?: string;
  /** Of an authority in the server's chain. */
  readonly pin?: string;
  /** With a code at another browser. */
  readonly device?: boolean;
}

/** Checks the key against the server before anything is written down. The key is never an argument: those are seen by `ps`. */
export async function login(run: CommandContext, options: LoginOptions): Promise<void> {
  const server = normalizeServer(run.globals.server ?? (await run.target()).server);
  const name = options.name ?? run.globals.context ?? new URL(server).host;
  if (!/^[a-z0-9][a-z0-9._:-]{0,62}$/.test(name))
    throw usageFailure(`"${name}" is not a name for a context`, "use a–z, 0–9, `.`, `_`, `-`");
  const ca = await authoritiesOf(run, server, options.pin);
  const apiKey = await credentialOf(run, options, { server, ca });
  const { body } = await run.apiFor({ server, apiKey, ca, source: "from `--server`" }).get("/api/v1/whoami");
  const who = decode(whoami, body, "an identity");
  const path = configPath(run.processEnv.env);
  const config = await readConfig(path);
  await writeConfig(path, { current: name, contexts: { ...config.contexts, [name]: { server, apiKey, ca } } });
  run.output.say(`Logged in to ${server} as ${who.name} (${who.role}); the context ${name} is saved in ${path}.`);
  run.output.next("nodes ls");
}

/** An API key, or the token of a person's session where the server has an identity provider and nothing gives a key. */
async function credentialOf(
  run: CommandContext,
  { device, keyFile }: LoginOptions,
  { server, ca }: { readonly server: string; readonly ca: string | undefined },
): Promise<string> {
  if (device === true && keyFile !== undefined)
    throw usageFailure("--device and --key-file exclude one another", "give one of them");
  const { env, stdin } = run.processEnv;
  const isGiven = keyFile !== undefined || env["SKERRY_API_KEY"] !== undefined || !stdin.isTTY;
  if (device !== true && isGiven) return readApiKey(run, keyFile, server);
  const api = run.apiFor({ server, apiKey: undefined, ca, source: "from `--server`" });
  const provider = await providerOf(api);
  if (provider !== null) return loginByDevice(run, api);
  if (device !== true) return readApiKey(run, keyFile, server);
  throw new CliFailure(EXIT.error, {
    what: `${server} has no identity provider`,
    fix: "log in with an API key: `skerry login` asks for it",
  });
}

/** By which this server is verified from now on, PEM; undefined: by those of the machine. */
async function authoritiesOf(
  run: CommandContext,
  server: string,
  pin: string | undefined,
): Promise<string | undefined> {
  const file = run.authoritiesFile;
  if (pin === undefined) return file === undefined ? (await run.target()).ca : readAuthorities(file);
  if (file !== undefined) throw usageFailure("--pin and --ca exclude one another", "give one of them");
  return authorityByPin(server, pin);
}

async function readApiKey(run: CommandContext, file: string | undefined, server: string): Promise<string> {
  const { env, stdin } = run.processEnv;
  const given =
    file === undefined
      ? (env["SKERRY_API_KEY"] ?? (await readSecret(stdin, run.processEnv.streams.err, `API key for ${server}: `)))
      : await readKeyFile(file);
  const key = given.trim();
  if (!/^sk_[\x21-\x7e]+$/.test(key)) {
    throw new CliFailure(EXIT.error, {
      what: "this is not an API key",
      why: ["a key begins with sk_ and has no spaces"],
      fix: "an admin makes one with `skerry keys create`",
    });
  }
  return key;
}

function readKeyFile(file: string): Promise<string> {
  return readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new CliFailure(
      EXIT.error,
      {
        what: `cannot read the key file ${file}`,
        why: [error.code === "ENOENT" ? "there is no such file" : error.message],
      },
      { cause: error },
    );
  });
}

export async function showWhoami(run: CommandContext): Promise<void> {
  const api = await run.api();
  const { body } = await api.get("/api/v1/whoami");
  const who = decode(whoami, body, "an identity");
  const ends = api.target.apiKey?.startsWith(TOKEN_PREFIX) === true ? await sessionEnds(api) : "";
  await printObject(run.output, run.globals.format, {
    raw: body,
    name: who.name,
    describe: () =>
      `${who.name} (${who.role}${who.models.length === 0 ? "" : `, models ${who.models.join(", ")}`}), key ${who.keyId}, at ${api.target.server}${ends}`,
  });
}

async function sessionEnds(api: ApiClient): Promise<string> {
  const { body } = await api.get("/api/v1/session");
  const { idleUntil, expiresAt } = decode(session, body, "a session");
  return `; the session ends at ${idleUntil < expiresAt ? `${idleUntil} if it is not used, at ${expiresAt} else` : expiresAt}`;
}
