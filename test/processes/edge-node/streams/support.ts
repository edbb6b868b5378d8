import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { DeviceEndpoints } from "../../../../edge-node/adapters/streams/device-endpoints.ts";
import type { StreamsFile } from "../../../../edge-node/adapters/streams/streams-file.ts";
import { ThreadStore } from "../../../../edge-node/adapters/streams/thread-store.ts";
import { Streams } from "../../../../edge-node/app/streams/streams.ts";
import { systemClock } from "../../../../shared/base/clock.ts";
import { systemRandom } from "../../../../shared/base/random.ts";
import type { DesiredStream } from "../../../../shared/protocol/streams.ts";
import { WebhookReceiver } from "../../../support/network/webhook-receiver.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { eventually } from "../../../support/eventually.ts";
import { aPlacement, LocalApiRig } from "../support/local-api-rig.ts";

export const aStream = (over: Partial<DesiredStream> = {}): DesiredStream => ({
  name: "press",
  source: "push",
  sink: "hook",
  expirySeconds: 60,
  maxMiB: 1,
  whenFull: "drop-oldest",
  ...over,
});

/** What `GET /streams` says of one stream. */
export interface Shown {
  readonly deployment: string;
  readonly name: string;
  readonly state: string;
  readonly reasons: readonly string[];
  readonly produced: number;
  readonly delivered: number;
  readonly deduplicated: number;
  readonly expired: number;
  readonly dropped: number;
  readonly waiting: number;
  readonly dropReasons: Readonly<Record<string, number>>;
}

/** A node's own API over a real model, with streams on a real store and a receiver of webhooks. */
export class StreamsRig {
  readonly local = new LocalApiRig();
  readonly receiver = new WebhookReceiver();
  /** What the streams told the operator. */
  readonly reports: string[] = [];
  folder!: string;
  #streams!: Streams;

  async open(
    specs: readonly DesiredStream[],
    endpoints: Partial<StreamsFile> = {},
    prepare: (folder: string) => Promise<unknown> = () => Promise.resolve(),
  ): Promise<void> {
    this.folder = await mkdtemp(path.join(tmpdir(), "skerry-streams-"));
    await prepare(this.folder);
    this.reports.length = 0;
    this.receiver.received.length = 0;
    this.receiver.status = 204;
    this.receiver.statusOf = () => undefined;
    await this.receiver.start();
    const sources = { push: { http: {} }, ...endpoints.sources };
    const sinks = { hook: { webhook: { url: this.receiver.url, timeoutMs: 30_000 } }, ...endpoints.sinks };
    await this.local.open({ placements: [aPlacement("same", this.local.identity, { streams: specs })] }, undefined, {
      streams: (node) => {
        this.#streams = new Streams({
          node,
          store: new ThreadStore(path.join(this.folder, "streams.db"), {
            maxBytes: 64 * 1_048_576,
            logger: silentLogger,
          }),
          endpoints: new DeviceEndpoints(
            { sources, sinks },
            { nodeName: node.name, clock: systemClock, random: systemRandom },
          ),
          report: (sentence) => this.reports.push(sentence),
          clock: systemClock,
          random: systemRandom,
          logger: silentLogger,
        });
        return this.#streams;
      },
    });
    await this.#streams.start();
  }

  async close(): Promise<void> {
    await this.#streams.stop();
    await this.local.close();
    await this.receiver.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Another declaration of the streams. */
  declare(specs: readonly DesiredStream[]): void {
    this.local.facts.placements = [aPlacement("same", this.local.identity, { streams: specs })];
  }

  push(item: unknown, headers: Record<string, string> = {}, path = "/streams/same/press") {
    const body = item instanceof Uint8Array ? item : JSON.stringify(item);
    const type = item instanceof Uint8Array ? "application/octet-stream" : "application/json";
    return this.local.call(path, { method: "POST", body, headers: { "content-type": type, ...headers } });
  }

  async shown(): Promise<readonly Shown[]> {
    const { json } = await this.local.call("/streams");
    return (json as { streams: readonly Shown[] }).streams;
  }

  /** Waits until the first stream shows this. */
  whenShown(what: string, holds: (stream: Shown) => boolean, timeoutMs?: number): Promise<Shown> {
    return eventually(
      what,
      async () => {
        const [first] = await this.shown();
        return first !== undefined && holds(first) && first;
      },
      timeoutMs,
    );
  }
}
