import { access, constants, stat } from "node:fs/promises";
import { connect } from "node:net";
import { dirname } from "node:path";
import { messageOf } from "../../../shared/base/errors.ts";
import { readStreamsFile, type StreamsFile } from "./streams-file.ts";

/** An entry of the file, and why streams that name it would wait; no reason: nothing speaks against it. */
interface Examined {
  readonly entry: string;
  readonly problem?: string;
}

const CONNECT_MS = 3_000;
const { R_OK, W_OK, X_OK } = constants;
type Mqtt = NonNullable<StreamsFile["sources"][string]["mqtt"]> | NonNullable<StreamsFile["sinks"][string]["mqtt"]>;

/** What of a streams file this user could not read, write or reach on this machine now. Rejects for a file that is none. */
export async function examineStreamsFile(path: string): Promise<readonly Examined[]> {
  const { sources, sinks } = readStreamsFile(path);
  const checks = [
    ...Object.entries(sources).map(([name, { directory, mqtt }]) => ({
      entry: `source ${name}`,
      // Files are removed or moved away once they were read.
      check: directory ? directoryOf(directory.path, R_OK | W_OK | X_OK) : mqttOf(mqtt),
    })),
    ...Object.entries(sinks).map(([name, { folder, webhook, mqtt }]) => ({
      entry: `sink ${name}`,
      check: folder ? folderOf(folder.path) : webhook ? webhookOf(webhook) : mqttOf(mqtt),
    })),
  ];
  return Promise.all(
    checks.map(async ({ entry, check }): Promise<Examined> => {
      const problem = await check;
      return { entry, ...(problem !== undefined && { problem }) };
    }),
  );
}

async function directoryOf(path: string, mode: number): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return `there is no ${path}`;
  if (!found.isDirectory()) return `${path} is no directory`;
  return access(path, mode).then(
    () => undefined,
    () => `this user may not ${(mode & R_OK) === 0 ? "write into" : "read and empty"} ${path}`,
  );
}

/** A folder that is not there is made. */
async function folderOf(path: string): Promise<string | undefined> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  return isThere || dirname(path) === path ? directoryOf(path, W_OK | X_OK) : folderOf(dirname(path));
}

async function mqttOf(mqtt: Mqtt | undefined): Promise<string | undefined> {
  if (mqtt === undefined) return undefined;
  const { url, passwordFile, caFile, certFile, keyFile } = mqtt;
  const port = url.startsWith("mqtts:") ? 8_883 : 1_883;
  return (await filesOf(passwordFile, caFile, certFile, keyFile)) ?? reachOf(url, port);
}

async function webhookOf({ url, tokenFile }: NonNullable<StreamsFile["sinks"][string]["webhook"]>) {
  return (await filesOf(tokenFile)) ?? reachOf(url, url.startsWith("https:") ? 443 : 80);
}

async function filesOf(...paths: readonly (string | undefined)[]): Promise<string | undefined> {
  for (const path of paths) {
    if (path === undefined) continue;
    const isReadable = await access(path, R_OK).then(
      () => true,
      () => false,
    );
    if (!isReadable) return `this user cannot read ${path}`;
  }
  return undefined;
}

/** Whether something takes connections there. Nothing is sent. */
function reachOf(url: string, defaultPort: number): Promise<string | undefined> {
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  return new Promise((resolve) => {
    const socket = connect({ host, port: port === "" ? defaultPort : Number(port), timeout: CONNECT_MS });
    const end = (problem?: string): void => {
      socket.destroy();
      resolve(problem);
    };
    socket.on("connect", () => end());
    socket.on("timeout", () => end(`${hostname} does not answer within ${CONNECT_MS / 1_000} s`));
    socket.on("error", (error) => end(`${hostname} takes no connection: ${messageOf(error)}`));
  });
}
