import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../../../../shared/base/errors.ts";
import type { Delivery, SinkOffer, StreamName, StreamResult, StreamSink } from "../../../ports/streams.ts";
import { clientIdOf, type Connection, connectTo } from "./connection.ts";
import type { MqttSinkSetting } from "./setting.ts";
import { topicOf } from "./topics.ts";

const BATCH = 64;
/** Publishes under way at once, if the broker takes so many. */
const AT_ONCE = 16;

/** Of MQTT 5: the broker says that this message is at fault. Topic name invalid, packet too large, payload format invalid. */
const REFUSED: ReadonlySet<number> = new Set([0x90, 0x95, 0x99]);

/**
 * Publishes each result with QoS 1, in order: it is delivered when the broker has acknowledged it. After one that was not, those
 * behind it are sent again too, as MQTT demands, so that the order of first arrivals stays.
 */
export class MqttSink implements SinkOffer {
  readonly #setting: MqttSinkSetting;
  readonly #nodeName: string;

  constructor(setting: MqttSinkSetting, { nodeName }: { readonly nodeName: string }) {
    this.#setting = setting;
    this.#nodeName = nodeName;
  }

  open(stream: StreamName): StreamSink {
    const { deployment, name } = stream;
    const clientId = clientIdOf(this.#nodeName, deployment, name, "sink");
    let connection: Connection | undefined;
    const connect = async (): Promise<Connection> => {
      if (connection !== undefined && !connection.isOver()) return connection;
      connection = undefined;
      return (connection = await connectTo(this.#setting, { clientId, isPersistent: false }));
    };
    return {
      batchItems: BATCH,
      gatherMs: 0,
      keepsOrder: true,
      deliver: async (results, signal) => {
        try {
          return await this.#deliver(results, { stream, connection: await connect(), signal });
        } catch (error) {
          return results.slice(0, 1).map(() => ({ kind: "later", why: `the broker: ${messageOf(error)}` }));
        }
      },
      close: async () => {
        await connection?.end(connection.isOver() ? "at once" : "gracefully");
        connection = undefined;
      },
    };
  }

  async #deliver(results: readonly StreamResult[], via: Via): Promise<readonly Delivery[]> {
    const deliveries: Delivery[] = [];
    const group = Math.max(1, Math.min(AT_ONCE, via.connection.receiveMaximum));
    for (let at = 0; at < results.length; at += group) {
      const sent = await Promise.all(results.slice(at, at + group).map((result) => this.#publish(result, via)));
      const failed = sent.findIndex(({ kind }) => kind === "later");
      deliveries.push(...(failed === -1 ? sent : sent.slice(0, failed + 1)));
      if (failed === -1) continue;
      await via.connection.end("at once");
      break;
    }
    return deliveries;
  }

  async #publish(result: StreamResult, { stream, connection, signal }: Via): Promise<Delivery> {
    const { topic: template, retain, timeoutMs, version } = this.#setting;
    const { deployment, name } = stream;
    const topic = topicOf(template, { node: this.#nodeName, deployment, stream: name, key: result.key });
    const properties = {
      contentType: "application/json",
      userProperties: { "idempotency-key": result.idempotencyKey },
    };
    const options = { qos: 1 as const, retain, ...(version === "5" && { properties }) };
    const late = new AbortController();
    try {
      const acknowledged = connection.client.publishAsync(topic, Buffer.from(result.body), options);
      acknowledged.catch(() => undefined);
      const deadline = sleep(timeoutMs, "late" as const, { signal: AbortSignal.any([signal, late.signal]) });
      const end = await Promise.race([acknowledged, connection.over, deadline.catch(() => "stopped" as const)]);
      if (end === "late") return { kind: "later", why: `the broker does not acknowledge within ${timeoutMs} ms` };
      if (typeof end === "string") return { kind: "later", why: `the broker: ${end}` };
      return { kind: "delivered" };
    } catch (error) {
      const why = `the broker: ${messageOf(error)}`;
      return { kind: REFUSED.has(codeOf(error)) ? "refused" : "later", why };
    } finally {
      late.abort();
    }
  }
}

interface Via {
  readonly stream: StreamName;
  readonly connection: Connection;
  readonly signal: AbortSignal;
}

const codeOf = (error: unknown): number =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "number" ? error.code : 0;
