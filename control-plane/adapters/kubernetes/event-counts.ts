import { SkerryError } from "../../../shared/base/errors.ts";
import type { ResourceEvent } from "../../ports/cloud/custom-resources.ts";
import { type KubernetesApi, messageIn } from "./api-client.ts";

/** An event that comes again within so long is the same one, once more. */
const SAME_MS = 10 * 60_000;
/** So many different events are remembered; beyond it the oldest are shown anew. */
const MAX_REMEMBERED = 2_000;

interface Subject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
}

interface Shown {
  /** The name of the Event object. */
  readonly name: string;
  readonly count: number;
  readonly at: number;
}

/** Events of Kubernetes: one object for the first of its kind, a higher count for each that follows. */
export class EventCounts {
  readonly #api: KubernetesApi;
  readonly #path: string;
  readonly #now: () => number;
  readonly #shown = new Map<string, Shown>();
  #created = 0;

  /** `now`: ms since 1970. */
  constructor({ api, namespace, now }: { api: KubernetesApi; namespace: string; now: () => number }) {
    this.#api = api;
    this.#path = `/api/v1/namespaces/${namespace}/events`;
    this.#now = now;
  }

  /** Throws `CLUSTER_UNAVAILABLE`. */
  async record(subject: Subject, event: ResourceEvent): Promise<void> {
    const key = [subject.uid, event.type, event.reason, event.message].join(" ");
    const at = this.#now();
    const known = this.#shown.get(key);
    const again = known && at - known.at < SAME_MS ? await this.#count(known, at) : undefined;
    this.#remember(key, again ?? (await this.#create(subject, event, at)));
  }

  /** Undefined when the server has forgotten the event. */
  async #count({ name, count }: Shown, at: number): Promise<Shown | undefined> {
    const body = { count: count + 1, lastTimestamp: seconds(at) };
    const { status, body: answer } = await this.#api.call("PATCH", `${this.#path}/${name}`, body, {
      contentType: "application/merge-patch+json",
    });
    if (status === 404) return undefined;
    if (status >= 300) throw new SkerryError("CLUSTER_UNAVAILABLE", `count an event: ${status} ${messageIn(answer)}`);
    return { name, count: count + 1, at };
  }

  async #create({ namespace, ...subject }: Subject, event: ResourceEvent, at: number): Promise<Shown> {
    const name = `${subject.name}.${Math.round(at).toString(16)}.${(this.#created += 1).toString(16)}`;
    const body = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name, namespace },
      involvedObject: { ...subject, namespace },
      ...event,
      message: event.message.slice(0, 1_024),
      source: { component: "skerry" },
      firstTimestamp: seconds(at),
      lastTimestamp: seconds(at),
      count: 1,
    };
    const { status, body: answer } = await this.#api.call("POST", this.#path, body);
    if (status >= 300 && status !== 409)
      throw new SkerryError("CLUSTER_UNAVAILABLE", `record an event: ${status} ${messageIn(answer)}`);
    return { name, count: 1, at };
  }

  #remember(key: string, shown: Shown): void {
    this.#shown.delete(key);
    this.#shown.set(key, shown);
    const [oldest] = this.#shown.keys();
    if (this.#shown.size > MAX_REMEMBERED && oldest !== undefined) this.#shown.delete(oldest);
  }
}

/** Events have whole seconds. */
const seconds = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
