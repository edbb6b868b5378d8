import { z } from "zod";
import { API_VERSION, GROUP, resource, VERSION, type Resource } from "../../../shared/api/v1alpha1/resource.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import {
  FINALIZER,
  MANAGED_BY_LABEL,
  type CustomResources,
  type ResourceChange,
  type ResourceEvent,
  type ResourceKind,
  type StatusConflict,
} from "../../ports/cloud/custom-resources.ts";
import { type ApiResponse, type ContentType, type KubernetesApi, messageIn } from "./api-client.ts";
import { EventCounts } from "./event-counts.ts";

const PLURALS = {
  ModelDeployment: "modeldeployments",
  Model: "models",
  EdgeNode: "edgenodes",
  CloudPool: "cloudpools",
} as const satisfies Record<ResourceKind, string>;

/** The one name under which everything is applied: fields that are not applied any more go, those of others stay. */
const MANAGER = "skerry";
const PAGE = 500;
/** After so long the server ends a watch, and the next one goes on from where it ended. */
const WATCH_SECONDS = 600;
/** A definition that is not installed, or a right that is missing, is not there a moment later. */
const NOT_INSTALLED_MS = 10_000;
const FORBIDDEN_MS = 1_000;

const list = z.object({
  metadata: z.object({ resourceVersion: z.string(), continue: z.string().optional() }),
  items: z.array(resource),
});
const watchLine = z.object({ type: z.string(), object: z.unknown() });
const versioned = z.object({ metadata: z.object({ resourceVersion: z.string() }) });
const failure = z.object({ code: z.number() });
const fieldConflict = z.object({ details: z.object({ causes: z.array(z.object({ reason: z.string().optional() })) }) });

/** Skerry's custom resources in one namespace: lists and watches, and writes by server-side apply. */
export class CustomResourceClient implements CustomResources {
  readonly namespace: string;
  readonly #api: KubernetesApi;
  readonly #events: EventCounts;

  constructor(api: KubernetesApi, { namespace, now }: { readonly namespace: string; readonly now: () => number }) {
    this.#api = api;
    this.namespace = namespace;
    this.#events = new EventCounts({ api, namespace, now });
  }

  async list(kind: ResourceKind): Promise<{ resources: readonly Resource[]; resourceVersion: string }> {
    const resources: Resource[] = [];
    for (let next = ""; ;) {
      const page = `?limit=${PAGE}${next === "" ? "" : `&continue=${encodeURIComponent(next)}`}`;
      const answer = await this.#api.call("GET", this.#path(kind) + page);
      // The pages were kept for too long: all of them again.
      if (answer.status === 410 && next !== "") return this.list(kind);
      const { metadata, items } = decode(answer, list, `list ${PLURALS[kind]}`);
      resources.push(...items);
      if (metadata.continue === undefined || metadata.continue === "")
        return { resources, resourceVersion: metadata.resourceVersion };
      next = metadata.continue;
    }
  }

  async *watch(kind: ResourceKind, after: string, signal: AbortSignal): AsyncGenerator<ResourceChange> {
    const query = `watch=true&allowWatchBookmarks=true&resourceVersion=${after}&timeoutSeconds=${WATCH_SECONDS}`;
    const lines = this.#api.lines(`${this.#path(kind)}?${query}`, signal);
    for (;;) {
      const { done, value } = await lines.next();
      if (done) {
        if (value === 410) yield { type: "expired" };
        return;
      }
      const change = changeIn(value);
      yield change;
      if (change.type === "expired") return;
    }
  }

  async create(kind: ResourceKind, name: string): Promise<Resource> {
    const labels = { [MANAGED_BY_LABEL]: MANAGER };
    const body = { apiVersion: API_VERSION, kind, metadata: { name, namespace: this.namespace, labels }, spec: {} };
    const answer = await this.#api.call("POST", `${this.#path(kind)}?fieldManager=${MANAGER}`, body);
    if (answer.status !== 409) return decode(answer, resource, `create ${kind} ${name}`);
    return decode(await this.#api.call("GET", this.#path(kind, name)), resource, `get ${kind} ${name}`);
  }

  async remove(kind: ResourceKind, { metadata: { name, uid } }: Resource): Promise<void> {
    const options = { apiVersion: "v1", kind: "DeleteOptions", preconditions: { uid } };
    const answer = await this.#api.call("DELETE", this.#path(kind, name), options);
    if (answer.status >= 300 && !isGone(answer)) throw refused(answer, `delete ${kind} ${name}`);
  }

  async setFinalizer(kind: ResourceKind, of: Resource, { isSet }: { isSet: boolean }): Promise<Resource | null> {
    const metadata = { ...this.#identity(of), ...(isSet && { finalizers: [FINALIZER] }) };
    const path = `${this.#path(kind, of.metadata.name)}?fieldManager=${MANAGER}`;
    const answer = await this.#apply(path, { apiVersion: API_VERSION, kind, metadata });
    return isGone(answer) ? null : decode(answer, resource, `apply ${kind} ${of.metadata.name}`);
  }

  async writeStatus(
    kind: ResourceKind,
    of: Resource,
    status: object,
    { isForced }: { readonly isForced: boolean },
  ): Promise<Resource | StatusConflict | null> {
    const path = `${this.#path(kind, of.metadata.name)}/status?fieldManager=${MANAGER}&force=${isForced}`;
    const answer = await this.#apply(path, { apiVersion: API_VERSION, kind, metadata: this.#identity(of), status });
    if (isOfFields(answer)) return { conflict: messageIn(answer.body).replaceAll(/\s+/g, " ") };
    return isGone(answer) ? null : decode(answer, resource, `apply the status of ${kind} ${of.metadata.name}`);
  }

  record(kind: ResourceKind, { metadata: { name, uid } }: Resource, event: ResourceEvent): Promise<void> {
    return this.#events.record({ apiVersion: API_VERSION, kind, name, namespace: this.namespace, uid }, event);
  }

  /** With its uid, an apply never makes an object anew, nor touches the successor of one that is gone. */
  #identity({ metadata: { name, uid } }: Resource): object {
    return { name, namespace: this.namespace, uid };
  }

  #apply(path: string, body: object): Promise<ApiResponse> {
    const contentType: ContentType = "application/apply-patch+yaml";
    return this.#api.call("PATCH", path, body, { contentType });
  }

  #path(kind: ResourceKind, name?: string): string {
    const plural = `/apis/${GROUP}/${VERSION}/namespaces/${this.namespace}/${PLURALS[kind]}`;
    return name === undefined ? plural : `${plural}/${name}`;
  }
}

/** 409: the object of this name is another one. Fields conflict only in a status; finalizers are a set. */
const isGone = ({ status }: ApiResponse): boolean => status === 404 || status === 409;

const isOfFields = ({ status, body }: ApiResponse): boolean =>
  status === 409 && fieldConflict.safeParse(body).data?.details.causes.some(isFieldManagers) === true;

const isFieldManagers = ({ reason }: { readonly reason?: string | undefined }): boolean =>
  reason === "FieldManagerConflict";

function changeIn(line: string): ResourceChange {
  const { type, object } = watchLine.parse(JSON.parse(line));
  if (type === "BOOKMARK")
    return { type: "bookmark", resourceVersion: versioned.parse(object).metadata.resourceVersion };
  if (type === "ERROR") {
    if (failure.safeParse(object).data?.code === 410) return { type: "expired" };
    throw new SkerryError("CLUSTER_UNAVAILABLE", `the watch ended: ${messageIn(object)}`);
  }
  return { type: type === "DELETED" ? "deleted" : "changed", resource: resource.parse(object) };
}

function decode<T>(answer: ApiResponse, shape: z.ZodType<T>, what: string): T {
  if (answer.status >= 300) throw refused(answer, what);
  const parsed = shape.safeParse(answer.body);
  if (!parsed.success) throw new SkerryError("CLUSTER_UNAVAILABLE", `${what}: the answer has another form`);
  return parsed.data;
}

function refused({ status, body }: ApiResponse, what: string): SkerryError {
  const retryAfterMs = status === 404 ? NOT_INSTALLED_MS : FORBIDDEN_MS;
  return new SkerryError("CLUSTER_UNAVAILABLE", `${what}: ${status} ${messageIn(body)}`, { retryAfterMs });
}
