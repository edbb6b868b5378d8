import type { Clock } from "../../../shared/base/clock.ts";
import type { SinkOffer, SourceOffer, StreamEndpoints } from "../../ports/streams.ts";
import { directorySource } from "./directory-source.ts";
import { FolderSink } from "./folder-sink.ts";
import type { StreamsFile } from "./streams-file.ts";
import { WebhookSink } from "./webhook-sink.ts";

/** The sources and sinks of the device's streams file. */
export class DeviceEndpoints implements StreamEndpoints {
  readonly #sources: ReadonlyMap<string, SourceOffer>;
  readonly #sinks: ReadonlyMap<string, SinkOffer>;

  constructor({ sources, sinks }: Pick<StreamsFile, "sources" | "sinks">, clock: Clock) {
    this.#sources = new Map(Object.entries(sources).map(([name, setting]) => [name, sourceOf(setting, clock)]));
    this.#sinks = new Map(Object.entries(sinks).map(([name, setting]) => [name, sinkOf(setting)]));
  }

  source(name: string): SourceOffer | undefined {
    return this.#sources.get(name);
  }

  sink(name: string): SinkOffer | undefined {
    return this.#sinks.get(name);
  }
}

const sourceOf = ({ directory }: StreamsFile["sources"][string], clock: Clock): SourceOffer =>
  directory === undefined ? { kind: "pushed" } : directorySource(directory, clock);

function sinkOf({ webhook, folder }: StreamsFile["sinks"][string]): SinkOffer {
  if (webhook !== undefined) return new WebhookSink({ ...webhook, tokenFile: webhook.tokenFile });
  if (folder !== undefined) return new FolderSink({ path: folder.path, maxBytes: folder.maxMiB * 1_048_576 });
  throw new Error("a sink of neither kind, which the schema refuses");
}
