import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { IClientOptions, IConnackPacket, IPublishPacket, MqttClient } from "mqtt";
import { messageOf } from "../../../../shared/base/errors.ts";
import { dialBroker, MAX_PACKET_BYTES } from "./broker-socket.ts";
import type { MqttSinkSetting, MqttSourceSetting } from "./setting.ts";

const CONNECT_MS = 10_000;
const DISCONNECT_MS = 1_000;
/** Messages that a broker of MQTT 5 sends before one of them is acknowledged. */
const RECEIVE_MAXIMUM = 64;
/** How long a broker of MQTT 5 keeps a subscription and its messages for a node that is away, in seconds. */
const SESSION_SECONDS = 7 * 86_400;

interface Wanted {
  readonly clientId: string;
  /** The broker keeps the subscription and what comes for it while the node is away. */
  readonly isPersistent: boolean;
  /** Resolves when the broker may forget the message; that it never does ends the connection. */
  readonly onMessage?: (packet: IPublishPacket) => Promise<void>;
}

/** One connection to a broker, over once it is broken: who has it makes another. */
export interface Connection {
  readonly client: MqttClient;
  /** Publishes that the broker takes before it has acknowledged one. */
  readonly receiveMaximum: number;
  /** Resolves with the reason when it is over. */
  readonly over: Promise<string>;
  isOver(): boolean;
  /** At once, or, if the other side is there, with what is written. Resolves within a second. */
  end(how: "at once" | "gracefully"): Promise<void>;
}

/** Rejects with a reason for a person. Reads credentials and certificates each time, so that they may be replaced. */
export async function connectTo(
  setting: MqttSourceSetting | MqttSinkSetting,
  { clientId, isPersistent, onMessage }: Wanted,
): Promise<Connection> {
  const certificates = await certificatesOf(setting);
  const options = await optionsOf(setting, { clientId, isPersistent });
  // Only where a device has a broker: others do not load the library.
  const { MqttClient } = await import("mqtt");
  const dial = () => dialBroker({ url: setting.url, knowsBound: setting.version === "5", ...certificates });
  const client = new MqttClient(dial, options);
  const over = Promise.withResolvers<string>();
  const up = Promise.withResolvers<IConnackPacket>();
  let isOver = false;
  let lastError: string | undefined;
  const finish = (why: string): void => {
    isOver = true;
    over.resolve(why);
    up.reject(new Error(why));
    client.end(true);
  };
  up.promise.catch(() => undefined);
  client.on("error", (error) => {
    lastError = textOf(error);
    finish(lastError);
  });
  client.on("disconnect", ({ reasonCode }) => (lastError = `the broker ends the connection, reason ${reasonCode}`));
  client.on("close", () => finish(lastError ?? "the connection to the broker broke"));
  client.on("connect", (packet) => up.resolve(packet));
  if (onMessage !== undefined)
    client.handleMessage = (packet, done) => {
      // The acknowledgment follows `done`; without it the broker sends the message again.
      void acknowledge(onMessage(packet), done).catch((error: unknown) => finish(messageOf(error)));
    };
  const { properties } = await up.promise;
  return {
    client,
    receiveMaximum: properties?.receiveMaximum ?? RECEIVE_MAXIMUM,
    over: over.promise,
    isOver: () => isOver,
    end: (how) => ended(client, how),
  };
}

async function acknowledge(taken: Promise<void>, done: () => void): Promise<void> {
  await taken;
  done();
}

async function ended(client: MqttClient, how: "at once" | "gracefully"): Promise<void> {
  if (how === "gracefully") {
    const closed = Promise.withResolvers<void>();
    const timer = setTimeout(closed.resolve, DISCONNECT_MS);
    client.end(false, () => closed.resolve());
    await closed.promise;
    clearTimeout(timer);
  }
  client.end(true);
  client.stream.destroy();
}

/** An id that is this node's and this stream's, of the 23 characters that every broker takes. */
export const clientIdOf = (...parts: readonly string[]): string =>
  `skerry-${createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 16)}`;

async function optionsOf(
  setting: MqttSourceSetting | MqttSinkSetting,
  { clientId, isPersistent }: Pick<Wanted, "clientId" | "isPersistent">,
): Promise<IClientOptions> {
  const { username, passwordFile, version, keepAliveSeconds } = setting;
  const password = await readSetting("passwordFile", passwordFile);
  const properties = {
    receiveMaximum: RECEIVE_MAXIMUM,
    maximumPacketSize: MAX_PACKET_BYTES,
    sessionExpiryInterval: isPersistent ? SESSION_SECONDS : 0,
  };
  return {
    protocolVersion: version === "5" ? 5 : 4,
    clientId,
    clean: !isPersistent,
    keepalive: keepAliveSeconds,
    connectTimeout: CONNECT_MS,
    // The owner of the connection decides when there is another: with growing waits and jitter.
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    timerVariant: "native",
    ...(version === "5" && { properties }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password: password.toString().replace(/\r?\n$/, "") }),
  };
}

async function certificatesOf({ caFile, certFile, keyFile }: MqttSourceSetting | MqttSinkSetting) {
  const [ca, cert, key] = await Promise.all([
    readSetting("caFile", caFile),
    readSetting("certFile", certFile),
    readSetting("keyFile", keyFile),
  ]);
  return { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) };
}

async function readSetting(name: string, file: string | undefined): Promise<Buffer | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(file);
  } catch (error) {
    throw new Error(`the ${name} of the broker cannot be read: ${messageOf(error)}`);
  }
}

/** Node's error for a host of several addresses has no words of its own. */
function textOf(error: Error): string {
  const [first] = error instanceof AggregateError ? error.errors : [];
  return messageOf(first ?? error) || "the broker cannot be reached";
}
