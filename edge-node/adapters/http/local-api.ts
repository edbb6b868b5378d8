import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Clock } from "../../../shared/base/clock.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { InferenceStatistics } from "../../../shared/inference/statistics.ts";
import type { ByteBudget } from "../../../shared/inference/http/byte-budget.ts";
import type { CorsPolicy } from "../../../shared/inference/http/cors.ts";
import { acceptsGzip } from "../../../shared/inference/http/compression.ts";
import { asSkerryError } from "../../../shared/inference/http/error-response.ts";
import { codeOf } from "../../../shared/inference/http/forward-stream.ts";
import { JSON_BOUNDS, readJson } from "../../../shared/inference/http/json-body.ts";
import { modelConfig, modelReadiness, serverReadiness } from "../../../shared/inference/http/documents.ts";
import { pathOf } from "../../../shared/inference/http/path.ts";
import {
  BODY_MS,
  dropRest,
  LINGER_MS,
  SERVER_BOUNDS,
  serverOptions,
} from "../../../shared/inference/http/server-options.ts";
import { requestIdFrom } from "../../../shared/base/request-id.ts";
import { REMOVED, waitsForApproval } from "../../app/session/connection.ts";
import type { LocalNode } from "../../ports/serving.ts";
import type { LocalStreams } from "../../ports/streams.ts";
import { errorResponse, jsonResponse, type LocalResponse, send, textResponse } from "./response.ts";
import { type AskPath, isOpenAi } from "../../../shared/openai/http/path.ts";
import { type Answered, infer } from "./infer.ts";
import { askText, openAiErrorReply, textModel, textModels } from "./openai.ts";
import type { Admitted, LocalCallers } from "./local-callers.ts";
import type { NodeMetrics } from "./metrics.ts";
import {
  modelMetadata,
  modelNames,
  isModelReady,
  isServerReady,
  modelStatistics,
  repositoryChange,
  repositoryIndex,
  serverLive,
  serverMetadata,
} from "./model-routes.ts";
import { accessOf, methodsOf, OPEN, type Route, routeOf } from "./routes.ts";
import type { HostPolicy } from "./host-policy.ts";
import { localOpenApi } from "./openapi/document.ts";
import { pageFile } from "./page/page-files.ts";
import { statusDocument } from "./status-document.ts";
import { pushItem, streamList } from "./streams.ts";

interface Parts {
  readonly node: LocalNode;
  readonly metrics: NodeMetrics;
  readonly streams: LocalStreams;
  /** Undefined on loopback: every program on this machine may ask. */
  readonly callers: LocalCallers | undefined;
  /** How many of the desired models have to be ready, for `/v2/health/ready`. */
  readonly readyWhen: "all" | "any";
  readonly clock: Clock;
  readonly logger: Logger;
  /** Bytes of requests under way, of every transport. */
  readonly bodies: ByteBudget;
  /** Bytes of one body. Default: `DEFAULT_BODY_BYTES`. */
  readonly maxBodyBytes?: number;
  readonly statistics: InferenceStatistics;
  /** Left out: pages of other origins cannot read answers. */
  readonly cors?: CorsPolicy;
  /** By which names the node may be asked. */
  readonly hosts: HostPolicy;
}

/** A device's LAN, not the internet. An idle one costs 11 KiB (measured with 4,000), and bodies have a bound of their own. */
const MAX_CONNECTIONS = 4_096;
/**
 * What a node serves on its own address: the Open Inference Protocol for its own placements, probes, metrics and a page
 * for a technician. It asks nobody else, so it answers the same whether the control plane is there or not.
 */
export class LocalApi {
  readonly #parts: Parts;
  readonly #server: Server;

  constructor(parts: Parts) {
    this.#parts = parts;
    parts.metrics.watch(parts.node);
    parts.metrics.watchStreams(parts.streams);
    parts.metrics.watchKeptStreams(parts.node);
    this.#server = createServer(
      serverOptions(SERVER_BOUNDS),
      (request, response) => void this.#answer(request, response),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Resolves with the port, which is the system's choice for `port` 0. Rejects when it is taken. */
  listen({ host, port }: { readonly host: string; readonly port: number }): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off("error", reject);
        const address = this.#server.address();
        resolve(typeof address === "object" && address !== null ? address.port : port);
      });
    });
  }

  /** Accepts nothing more and closes what is open. Call it when the worker has drained: nothing is under way then. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  /** Never rejects: every failure becomes an answer, or there is nobody left to answer. */
  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = requestIdFrom(request.headers["x-request-id"]);
    const { node, clock, logger } = this.#parts;
    const common = ["X-Request-Id", requestId, "Skerry-Node", node.name];
    if (node.isDraining()) common.push("Connection", "close");
    if (this.#parts.cors?.apply(request, response) === true) return;
    response.on("error", () => undefined); // "close" reports a caller that goes away
    response.on("close", () => {
      if (response.writableFinished) dropRest(request, { clock, lingerMs: LINGER_MS });
    });
    try {
      send(response, await this.#route(request, response), { common, clock, gzip: acceptsGzip(request.headers) });
    } catch (thrown) {
      const error = asSkerryError(thrown, requestId);
      if (error.code === "INTERNAL" && !response.destroyed)
        logger.error({ requestId, err: error.cause ?? thrown }, "the local API failed");
      if (error.code === "CANCELLED") response.destroy();
      else send(response, errorFor(request, error), { common, clock, gzip: false });
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<LocalResponse> {
    const path = pathOf(request);
    const route = routeOf(path);
    if (route === undefined)
      throw new SkerryError("NOT_FOUND", `this node serves no ${path.slice(0, 200)}; its APIs begin at /v2 and /v1`);
    const allowed = methodsOf(route);
    if (!allowed.includes(request.method ?? "")) return notAllowed(request, allowed);
    this.#checkHost(request, route);
    const { node, leave } = OPEN.has(route.kind) ? openTo(this.#parts.node) : await this.#admit(request, route);
    if (response.closed) leave();
    else response.once("close", leave);
    return this.#reply(route, request, { node, response });
  }

  /**
   * Throws `HOST_REFUSED`. The page and what it shows are for people who typed an address. `/v2` and `/v1` are for programs,
   * also behind proxies and names of services: where they need a key, no page of another site has it, and any name is taken.
   */
  #checkHost({ headers }: IncomingMessage, { kind }: Route): void {
    const isForPeople = kind === "page" || kind === "status";
    if (isForPeople || (this.#parts.callers === undefined && !OPEN.has(kind))) this.#parts.hosts.check(headers.host);
  }

  /**
   * The node as the caller may see it. Throws `UNAUTHENTICATED`, `FORBIDDEN`, `RATE_LIMITED`. Without keys, `ORIGIN_REFUSED`: a browser sends a text or a form to any address of this machine
   * for any page, without asking first, so that a page could let models run here.
   */
  async #admit({ headers, socket }: IncomingMessage, route: Route): Promise<Admitted> {
    const { callers, cors, node } = this.#parts;
    const { authorization, origin } = headers;
    const address = socket.remoteAddress ?? "";
    if (callers) return callers.admit({ authorization, address }, accessOf(route), node);
    if (origin === undefined || cors?.lists(origin) === true) return openTo(node);
    throw new SkerryError("ORIGIN_REFUSED", `a page of ${origin.slice(0, 200)} may not ask this node`);
  }

  async #reply(
    route: Route,
    request: IncomingMessage,
    asked: { readonly node: LocalNode; readonly response: ServerResponse },
  ): Promise<LocalResponse> {
    const { metrics, streams, clock } = this.#parts;
    const { node } = asked;
    switch (route.kind) {
      case "status":
        return jsonResponse({ body: statusDocument(node, { streams, rttMs: metrics.lastRttMs }) });
      case "page":
        return pageFile(route.file);
      case "live":
        return jsonResponse({ body: { live: true } });
      case "ready":
        return readiness(node);
      case "openapi":
        return jsonResponse({ body: localOpenApi(node.version) });
      case "metrics":
        return textResponse(await metrics.text(), metrics.contentType);
      case "streams":
        return streamList(streams);
      case "stream-item":
        return pushItem(route, request, { ...this.#parts, node });
      case "server-metadata":
        return serverMetadata(node);
      case "server-live":
        return serverLive();
      case "server-ready":
        return jsonResponse(serverReadiness(isServerReady(node, this.#parts.readyWhen)));
      case "model-names":
        return modelNames(node);
      case "model-metadata":
        return jsonResponse({ body: await modelMetadata(node, route.target) });
      case "model-config":
        return jsonResponse({ body: modelConfig(await modelMetadata(node, route.target)) });
      case "model-stats":
        return jsonResponse({ body: { model_stats: modelStatistics(node, route.target, this.#parts.statistics) } });
      case "model-ready":
        return jsonResponse(modelReadiness(route.target.model, isModelReady(node, route.target)));
      case "repository-index": {
        const limits = { ...JSON_BOUNDS, bodyMs: BODY_MS };
        return jsonResponse({
          body: repositoryIndex(node, await readJson(request, { limits, clock, isInferenceProtocol: true })),
        });
      }
      case "repository-change":
        return repositoryChange();
      case "text":
        if (route.path.kind === "models") return textModels(node);
        if (route.path.kind === "model") return textModel(node, route.path.id);
        return this.#askText(route.path, request, asked);
      case "infer":
      case "explain": {
        const explain = route.kind === "explain";
        return this.#measured(() => infer(route.target, request, { ...this.#parts, ...asked, explain }));
      }
    }
  }

  #askText(
    path: AskPath,
    request: IncomingMessage,
    asked: { readonly node: LocalNode; readonly response: ServerResponse },
  ): Promise<LocalResponse> {
    return this.#measured(() => askText(path, request, { ...this.#parts, ...asked }));
  }

  async #measured(ask: () => Promise<Answered>): Promise<LocalResponse> {
    const { clock, metrics } = this.#parts;
    const startedAt = clock.now();
    const { model, code, reply } = await ask();
    const seconds = (clock.now() - startedAt) / 1_000;
    if (reply.body instanceof Uint8Array) metrics.answered(model, code, seconds);
    else void reply.body.ended.then((end) => metrics.answered(model, codeOf(end), seconds));
    return reply;
  }
}

const openTo = (node: LocalNode): Admitted => ({ node, leave: () => undefined });

/**
 * For probes: not whether every model is loaded, which `/v2/health/ready` tells, but whether this process does its work.
 * A node that has never heard of a control plane and holds nothing does none.
 */
function readiness(node: LocalNode): LocalResponse {
  const key = node.keyToApprove();
  const isUseful = node.isConnected() || node.placements().some(({ state }) => state === "ready");
  const reasons = [
    ...(node.isDraining() ? ["draining"] : []),
    ...(node.isRemoved() ? [REMOVED] : []),
    ...(key === undefined ? [] : [waitsForApproval(node.name, key)]),
    ...(isUseful ? [] : ["not connected to a control plane, and nothing is ready here"]),
  ];
  return jsonResponse({ status: reasons.length === 0 ? 200 : 503, body: { ready: reasons.length === 0, reasons } });
}

function notAllowed(request: IncomingMessage, allowed: readonly string[]): LocalResponse {
  const path = pathOf(request).slice(0, 200);
  const error = new SkerryError("METHOD_NOT_ALLOWED", `${path} takes ${allowed.join(", ")}, not ${request.method}`);
  return errorFor(request, error, { Allow: allowed.join(", ") });
}

/** In the form of the API that was asked. */
const errorFor = (
  request: IncomingMessage,
  error: SkerryError,
  headers?: Readonly<Record<string, string>>,
): LocalResponse => (isOpenAi(pathOf(request)) ? openAiErrorReply(error, headers) : errorResponse(error, headers));
