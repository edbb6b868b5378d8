import type { JoinRequest, JoinResponse, PodJoinRequest } from "../../../../shared/protocol/join-messages.ts";
import type { Clock } from "../../../../shared/base/clock.ts";
import type { Logger } from "../../../../shared/base/logging/logger.ts";
import type { CertificateSource } from "../../../../shared/base/network/server-certificate.ts";
import type { CorsPolicy } from "../../../../shared/inference/http/cors.ts";
import { InferenceStatistics } from "../../../../shared/inference/statistics.ts";
import type { Random } from "../../../../shared/base/random.ts";
import type { ApiKeys } from "../../../app/access/api-keys.ts";
import type { People } from "../../../app/access/people.ts";
import type { LoginSessions } from "../../../app/access/login-sessions.ts";
import type { DeploymentAdmin } from "../../../app/deployments/deployment-admin.ts";
import type { EventFeed } from "../../../app/events/event-feed.ts";
import type { FleetWatches } from "../../../app/fleet/fleet-watches.ts";
import type { InferenceResponse, InferenceRequest } from "../../../app/inference/inference-request.ts";
import type { NodeAdmin } from "../../../app/nodes/node-admin.ts";
import type { RolloutAdmin } from "../../../app/rollouts/rollout-admin.ts";
import type { PoolAdmin } from "../../../app/cloud/pool-admin.ts";
import type { ModelRepositoryApi } from "../../../app/catalog/model-repository-api.ts";
import type { ModelStatusQuery } from "../../../app/inference/model-status-query.ts";
import type { TrafficMeter } from "../../../app/traffic/traffic-meter.ts";
import type { TokenAdmin } from "../../../app/nodes/token-admin.ts";
import type { AuditStore, Requester } from "../../../ports/access/audit.ts";
import type { IdempotencyStore } from "../../../ports/idempotency.ts";
import type { Metrics } from "../../../ports/metrics.ts";
import type { Catalog } from "./route-catalog.ts";
import { Authenticator } from "../auth/authenticator.ts";
import { KeyQuotas } from "../auth/key-quotas.ts";
import { SessionCookie } from "../auth/session-cookie.ts";
import { LIMITS, type Limits } from "./limits.ts";
import { openApiDocument } from "../rest/openapi.ts";
import { referencePage } from "../rest/reference-page.ts";
import type { Route } from "./route.ts";
import { createRouter } from "./router.ts";
import { GrpcServer } from "../../../../shared/grpc-server/grpc-server.ts";
import { RoutedFront } from "../grpc/routed-front.ts";
import { InferenceAdmission } from "../inference/inference-admission.ts";
import { createInferenceHandler } from "../inference/inference-routes.ts";
import { createOpenAiHandler } from "../openai/openai-handler.ts";
import type { ConsoleFiles } from "../web-console/console-files.ts";
import { createConsoleHandler } from "../web-console/console-handler.ts";
import { openAiRoutes } from "../openai/openai-routes.ts";
import { cloudPoolRoutes } from "../routes/cloud-pools.ts";
import { deploymentRoutes } from "../routes/deployments.ts";
import { eventRoutes } from "../routes/events.ts";
import { protocolRoutes } from "../routes/inference-protocol.ts";
import { joinRoutes } from "../routes/join.ts";
import { keyRoutes } from "../routes/keys.ts";
import { modelRoutes } from "../routes/models.ts";
import { nodeRoutes } from "../routes/nodes.ts";
import { rolloutRoutes } from "../routes/rollouts.ts";
import { loginRoutes } from "../routes/login.ts";
import { sessionRoutes } from "../routes/sessions.ts";
import { systemRoutes, type SystemParts } from "../routes/system.ts";
import { trafficRoutes } from "../routes/traffic.ts";
import { uploadRoutes } from "../routes/uploads.ts";
import { versionRoutes } from "../routes/versions.ts";
import type { Handler, UpgradeHandler } from "./early-requests.ts";
import type { HttpServer } from "./server.ts";

export interface HttpApiParts extends Pick<SystemParts, "readiness" | "renderMetrics"> {
  readonly keys: ApiKeys;
  readonly logins: LoginSessions;
  /** Undefined: people log in with API keys. */
  readonly people?: People | undefined;
  readonly catalog: Catalog;
  readonly nodes: NodeAdmin;
  readonly tokens: TokenAdmin;
  readonly deployments: DeploymentAdmin;
  readonly rollouts: RolloutAdmin;
  readonly serving: ModelStatusQuery;
  readonly repository: ModelRepositoryApi;
  readonly events: EventFeed;
  readonly watches: FleetWatches;
  readonly cloudPools: PoolAdmin;
  readonly audit: AuditStore;
  readonly idempotency: IdempotencyStore;
  readonly metrics: Metrics;
  readonly traffic: TrafficMeter;
  readonly infer: (request: InferenceRequest) => Promise<InferenceResponse>;
  readonly join: (request: JoinRequest, from: Requester) => Promise<JoinResponse>;
  readonly joinPod: (request: PodJoinRequest, from: Requester) => Promise<JoinResponse>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Of this program. */
  readonly version: string;
  /** Where applications reach this control plane, without a slash at the end. */
  readonly publicUrl: string;
  /** Proxies in front that set `X-Forwarded-For`; 0: none, the header is not believed. */
  readonly trustedProxies?: number;
  /** Of gRPC; left out: without TLS. */
  readonly certificates?: CertificateSource | undefined;
  /** Left out: pages of other origins cannot read answers. */
  readonly cors?: CorsPolicy;
  /** The web console; left out: it was not built. */
  readonly console?: ConsoleFiles | undefined;
  /** Check every answer against its schema: for tests and dev mode. */
  readonly checkAnswers?: boolean;
  readonly limits?: Partial<Limits>;
}

export interface HttpApi {
  readonly http: HttpServer;
  /** Lets the server serve; `upgrade` takes the nodes' sockets. */
  open(upgrade: UpgradeHandler): void;
  readonly grpc: GrpcServer;
  /** What is registered: the role matrix and the OpenAPI document are made of it. */
  readonly routes: readonly Route[];
}

/** The control plane's HTTP side. It serves from `open` on; whether `http` listens already is its caller's business. */
export function createHttpApi(http: HttpServer, parts: HttpApiParts): HttpApi {
  const limits: Limits = { ...LIMITS, ...parts.limits };
  const { clock, logger, trustedProxies = 0, checkAnswers = false } = parts;
  const statistics = new InferenceStatistics();
  const metrics = counting(parts, statistics);
  http.onRefused = (limit) => metrics.limitReached(limit);
  const isReady = (): boolean => parts.readiness("inference").ready;
  const quotas = new KeyQuotas({ clock, metrics });
  const cookie = new SessionCookie(parts);
  const authenticator = new Authenticator({
    keys: parts.keys,
    sessions: parts.logins,
    cookie,
    quotas,
    metrics,
    clock,
    limits,
  });
  // Made when somebody asks: they were a tenth of a start, for which all nodes and callers wait.
  let document: ReturnType<typeof openApiDocument> | undefined;
  let page: string | undefined;
  const openApi = (): object =>
    (document ??= openApiDocument(routes, {
      version: parts.version,
      serverUrl: parts.publicUrl,
      cookieName: cookie.name,
    }));
  const reference = (): string => (page ??= referencePage(routes, parts.version));
  const routes: Route[] = [
    ...modelRoutes(parts),
    ...versionRoutes(parts),
    ...uploadRoutes(parts),
    ...cloudPoolRoutes(parts),
    ...nodeRoutes(parts),
    ...joinRoutes({ ...parts, metrics, limits }),
    ...deploymentRoutes(parts),
    ...rolloutRoutes(parts),
    ...eventRoutes(parts),
    ...trafficRoutes(parts),
    ...keyRoutes(parts),
    ...sessionRoutes({ ...parts, authenticator, cookie }),
    ...loginRoutes({ ...parts, people: parts.people, authenticator, cookie }),
    ...protocolRoutes({ ...parts, statistics, isReady }),
    ...openAiRoutes(),
    ...systemRoutes({ ...parts, openApi, reference }),
  ];
  const common = { authenticator, metrics, logger, clock, limits, trustedProxies };
  const { random, infer } = parts;
  const invocation = { ...common, random, infer, admission: new InferenceAdmission(limits, metrics) };
  const inference = createInferenceHandler(invocation);
  const openAi = createOpenAiHandler({ ...invocation, quotas, serving: parts.serving });
  const grpc = new GrpcServer({
    front: new RoutedFront({ ...parts, ...invocation, statistics, isReady }),
    maxBodyBytes: limits.inferenceBodyBytes,
    clock,
    logger,
    trustedProxies,
    certificates: parts.certificates,
  });
  const router = createRouter(routes, {
    ...common,
    modelOf: (deployment) => parts.deployments.modelOf(deployment),
    idempotency: parts.idempotency,
    stopping: http.stopping,
    checkAnswers,
  });
  const webConsole = createConsoleHandler(parts.console);
  const handle: Handler = (request, response) => {
    if (parts.cors?.apply(request, response) === true) return;
    if (inference(request, response) || openAi(request, response) || webConsole(request, response)) return;
    router(request, response);
  };
  return { http, open: (upgrade) => http.serve(handle, upgrade), grpc, routes };
}

/** The metrics, and beside them the traffic and the protocol's statistics of the same answers. */
function counting(
  { metrics, traffic, clock }: Pick<HttpApiParts, "metrics" | "traffic" | "clock">,
  statistics: InferenceStatistics,
): Metrics {
  return {
    requestAnswered: (request) => metrics.requestAnswered(request),
    bytesPushed: (bytes) => metrics.bytesPushed(bytes),
    limitReached: (limit) => metrics.limitReached(limit),
    nodeSocketEnded: (reason) => metrics.nodeSocketEnded(reason),
    loginAnswered: (login) => metrics.loginAnswered(login),
    eventsDropped: (count) => metrics.eventsDropped(count),
    objectStoreAsked: (request) => metrics.objectStoreAsked(request),
    cascade: (outcome) => metrics.cascade(outcome),
    rolloutWritten: (facts) => metrics.rolloutWritten(facts),
    rolloutAnswered: (answer) => metrics.rolloutAnswered(answer),
    rolloutCompared: (comparison) => metrics.rolloutCompared(comparison),
    textAnswered(text) {
      metrics.textAnswered(text);
      traffic.wrote(text);
    },
    embeddingsAnswered: (embeddings) => metrics.embeddingsAnswered(embeddings),
    inferenceAnswered(inference) {
      metrics.inferenceAnswered(inference);
      traffic.answered(inference);
      const [model, version] = inference.modelVersion?.split(":") ?? [];
      if (model === undefined || version === undefined) return;
      statistics.add({
        model,
        version,
        isOk: inference.code === "OK",
        totalMs: inference.seconds * 1_000,
        queueMs: (inference.queueSeconds ?? 0) * 1_000,
        inferMs: (inference.computeSeconds ?? 0) * 1_000,
        at: clock.wallNow(),
      });
    },
  };
}
