import { createHash } from "node:crypto";
import type { IPublishPacket } from "mqtt";
import type { Clock } from "../../../../shared/base/clock.ts";
import { sleep } from "../../../../shared/base/clock.ts";
import { messageOf } from "../../../../shared/base/errors.ts";
import type { Random } from "../../../../shared/base/random.ts";
import { fullJitter } from "../../../../shared/flow/backoff.ts";
import { MAX_STREAM_ITEM_BYTES } from "../../../../shared/protocol/streams.ts";
import type { OpenSource, SourceHandler, SourceOffer, StreamItem, StreamName } from "../../../ports/streams.ts";
import { clientIdOf, type Connection, connectTo } from "./connection.ts";
import type { MqttSourceSetting } from "./setting.ts";
import { isMatch, keyOfTopic } from "./topics.ts";

const RETRY = { baseMs: 500, maxMs: 30_000 };
const LEAST_RETRY_MS = 100;
/** A connection that held so long begins the waits anew: one that is taken and ended at once does not. */
const SOUND_MS = 10_000;

interface DeviceContext {
  readonly nodeName: string;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * A subscription with QoS 1 in a session that the broker keeps. A message is acknowledged when the store holds it, so one that a
 * killed node had in hand comes again, marked as a repetition, and is counted as a duplicate if it was stored. While the store
 * takes no more, the node leaves the broker, which keeps the messages as far as its own bounds go.
 */
class MqttSource {
  readonly kind = "read";
  readonly #setting: MqttSourceSetting;
  readonly #context: DeviceContext;
  /** Client ids in use: a broker ends the older of two connections of one id, and both would go on and off. */
  readonly #used = new Set<string>();

  constructor(setting: MqttSourceSetting, context: DeviceContext) {
    this.#setting = setting;
    this.#context = context;
  }

  open(stream: StreamName, handler: SourceHandler): OpenSource {
    const stopping = new AbortController();
    const { deployment, name } = stream;
    const clientId = this.#setting.clientId ?? clientIdOf(this.#context.nodeName, deployment, name, "source");
    if (this.#used.has(clientId)) {
      handler.trouble(`another stream of this node reads the source under its client id ${clientId}`);
      return { close: () => Promise.resolve() };
    }
    this.#used.add(clientId);
    handler.trouble("the broker has not taken the subscription yet");
    const running = this.#run(clientId, handler, stopping.signal);
    return {
      close: async () => {
        stopping.abort();
        await running;
        this.#used.delete(clientId);
      },
    };
  }

  async #run(clientId: string, handler: SourceHandler, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#context;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const beganAt = clock.now();
      const why = await this.#read(clientId, handler, signal).catch(messageOf);
      if (signal.aborted) return;
      handler.trouble(why);
      if (clock.now() - beganAt >= SOUND_MS) attempt = 0;
      await sleep(clock, LEAST_RETRY_MS + fullJitter(RETRY, attempt, random), signal).catch(() => undefined);
    }
  }

  /** One connection. Resolves with the reason of its end. */
  async #read(clientId: string, handler: SourceHandler, signal: AbortSignal): Promise<string> {
    let taking: Promise<void> = Promise.resolve();
    const onMessage = (packet: IPublishPacket): Promise<void> => {
      // Never acknowledged: the connection is about to end.
      if (signal.aborted) return new Promise(() => undefined);
      return (taking = this.#take(packet, handler));
    };
    const connection = await connectTo(this.#setting, { clientId, isPersistent: true, onMessage });
    const stopped = Promise.withResolvers<string>();
    const stop = (): void => stopped.resolve("the stream stops");
    signal.addEventListener("abort", stop, { once: true });
    try {
      if (signal.aborted) stop();
      const subscribed = this.#subscribe(connection).then(() => {
        handler.trouble(undefined);
        return connection.over;
      });
      subscribed.catch(() => undefined);
      return await Promise.race([subscribed, connection.over, stopped.promise]);
    } finally {
      signal.removeEventListener("abort", stop);
      await taking.catch(() => undefined);
      await connection.end(connection.isOver() ? "at once" : "gracefully");
    }
  }

  async #subscribe({ client }: Connection): Promise<void> {
    const { topics, version } = this.#setting;
    // Retained messages come with a new subscription, not again with one that the broker has kept, where it can tell them apart.
    const options = { qos: 1 as const, ...(version === "5" && { rh: 1 }) };
    const granted = await client.subscribeAsync([...topics], options);
    const weak = granted.find(({ qos }) => qos !== 1 && qos !== 2);
    if (weak !== undefined)
      throw new Error(`the broker does not grant ${weak.topic} with QoS 1, but ${weak.qos}; its rules have to`);
  }

  async #take(packet: IPublishPacket, handler: SourceHandler): Promise<void> {
    const { topic } = packet;
    const payload = Buffer.from(packet.payload);
    const isWanted = this.#setting.topics.some((filter) => isMatch(filter, topic));
    // Of a filter that the file had before, or the empty message that removes a retained one.
    if (!isWanted || payload.byteLength === 0) return;
    if (payload.byteLength > MAX_STREAM_ITEM_BYTES) return handler.tooLarge();
    const { key, format } = this.#setting;
    const item = {
      ...idOf(packet, payload, this.#setting.id),
      key: key === "topic" ? keyOfTopic(topic) : "",
      bytes: new Uint8Array(payload),
      isJson: format === "json",
    };
    const [acceptance] = await handler.accept([item]);
    if (acceptance === undefined || acceptance.kind === "full")
      throw new Error("as much waits as may, and is declared to refuse more: the broker keeps the messages");
  }
}

/** By what a message is known again. */
function idOf(
  { topic, messageId, dup, retain, qos }: IPublishPacket,
  payload: Buffer,
  by: MqttSourceSetting["id"],
): Pick<StreamItem, "id" | "isRepeat"> {
  const digest = createHash("sha256").update(topic).update("\0").update(payload).digest("hex");
  // A broker sends it at each new subscription.
  if (retain) return { id: `retained:${digest}` };
  if (by === "payload") return { id: digest };
  if (by !== "delivery") return { id: fieldOf(payload, by.field, topic) };
  // Numbers of messages are given again, so they are believed only where the broker says that it repeats.
  return qos === 0 ? { id: undefined } : { id: `${messageId}:${digest}`, isRepeat: dup };
}

/** Undefined, so never a duplicate: the payload is no JSON object with such a field. */
function fieldOf(payload: Buffer, field: string, topic: string): string | undefined {
  try {
    const document: unknown = JSON.parse(payload.toString());
    if (typeof document !== "object" || document === null) return undefined;
    const value: unknown = Object.entries(document).find(([name]) => name === field)?.[1];
    if (typeof value !== "string" && typeof value !== "number") return undefined;
    return createHash("sha256").update(`${topic}\0${value}`).digest("hex");
  } catch {
    return undefined;
  }
}

/** As an offer, so that a change of the port is found here. */
export const mqttSourceOffer = (setting: MqttSourceSetting, context: DeviceContext): SourceOffer =>
  new MqttSource(setting, context);
