import type { Clock } from "../../../shared/base/clock.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { SinkOffer, SourceOffer, StreamEndpoints } from "../../ports/streams.ts";
import { directorySource } from "./directory-source.ts";
import { FolderSink } from "./folder-sink.ts";
import { MqttSink } from "./mqtt/mqtt-sink.ts";
import { mqttSourceOffer } from "./mqtt/mqtt-source.ts";
import type { StreamsFile } from "./streams-file.ts";
import { WebhookSink } from "./webhook-sink.ts";

interface DeviceContext {
  readonly nodeName: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** The sources and sinks of the device's streams file. */
export class DeviceEndpoints implements StreamEndpoints {
  readonly #sources: ReadonlyMap<string, SourceOffer>;
  readonly #sinks: ReadonlyMap<string, SinkOffer>;

  constructor({ sources, sinks }: Pick<StreamsFile, "sources" | "sinks">, of: DeviceContext) {
    this.#sources = new Map(Object.entries(sources).map(([name, setting]) => [name, sourceOf(setting, of)]));
    this.#sinks = new Map(Object.entries(sinks).map(([name, setting]) => [name, sinkOf(setting, of)]));
  }

  source(name: string): SourceOffer | undefined {
    return this.#sources.get(name);
  }

  sink(name: string): SinkOffer | undefined {
    return this.#sinks.get(name);
  }
}

function sourceOf({ directory, mqtt }: StreamsFile["sources"][string], of: DeviceContext): SourceOffer {
  if (directory !== undefined) return directorySource(directory, of.clock);
  return mqtt === undefined ? { kind: "pushed" } : mqttSourceOffer(mqtt, of);
}

function sinkOf({ webhook, folder, mqtt }: StreamsFile["sinks"][string], of: DeviceContext): SinkOffer {
  if (webhook !== undefined) return new WebhookSink({ ...webhook, tokenFile: webhook.tokenFile });
  if (folder !== undefined)
    return new FolderSink({ path: folder.path, maxBytes: folder.maxMiB * 1_048_576, gatherMs: folder.gatherMs });
  if (mqtt !== undefined) return new MqttSink(mqtt, of);
  throw new Error("a sink of no kind, which the schema refuses");
}
