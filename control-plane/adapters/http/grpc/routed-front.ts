import type { IndexEntry, ModelMetadata, ServerMetadata } from "../../../../shared/api/v1/inference.ts";
import { type ErrorCode, isSkerryError, SkerryError } from "../../../../shared/base/errors.ts";
import { formatTraceparent, nextHop, parseTraceparent } from "../../../../shared/base/trace-context.ts";
import type {
  CallFacts,
  InferenceFront,
  InferOutcome,
  RepositoryChange,
} from "../../../../shared/inference/grpc/front.ts";
import type { RequestBody } from "../../../../shared/inference/grpc/infer-messages.ts";
import { refusalFromBody } from "../../../../shared/inference/grpc/status.ts";
import { serverMetadata } from "../../../../shared/inference/http/documents.ts";
import type { ModelTarget } from "../../../../shared/inference/http/path.ts";
import { parseInferenceHeaders } from "../../../../shared/inference/http/request-headers.ts";
import { routeHeader } from "../../../../shared/inference/http/response-headers.ts";
import type { InferenceStatistics, VersionStatistics } from "../../../../shared/inference/statistics.ts";
import { wholeStream } from "../../../../shared/inference/whole-stream.ts";
import { DEFAULT_DEADLINE_MS } from "../../../../shared/protocol/limits.ts";
import type { Caller } from "../../../app/access/api-keys.ts";
import type { ModelRepositoryApi } from "../../../app/catalog/model-repository-api.ts";
import type { InferenceResponse } from "../../../app/inference/inference-request.ts";
import type { ModelStatusQuery } from "../../../app/inference/model-status-query.ts";
import type { Action } from "../../../core/access/actions.ts";
import { isInScope } from "../../../core/access/decide.ts";
import { authorize } from "../auth/authorize.ts";
import { TokenBuckets } from "../../../../shared/flow/token-buckets.ts";
import { InferenceLog } from "../inference/inference-log.ts";
import { type InferenceParts, isWellFormed, measuredOf } from "../inference/inference-routes.ts";
import { refuseContents } from "../routes/inference-protocol.ts";
import { unknownModel } from "../server/route.ts";

export interface RoutedFrontParts extends Omit<InferenceParts, "trustedProxies"> {
  readonly serving: ModelStatusQuery;
  readonly repository: ModelRepositoryApi;
  readonly statistics: InferenceStatistics;
  readonly isReady: () => boolean;
  /** Of this program. */
  readonly version: string;
}

/** The fleet's models for gRPC: the same keys, roles, router and bounds as the HTTP API. */
export class RoutedFront implements InferenceFront {
  readonly #parts: RoutedFrontParts;
  readonly #log: InferenceLog;
  readonly #buckets: TokenBuckets;

  constructor(parts: RoutedFrontParts) {
    this.#parts = parts;
    this.#log = new InferenceLog(parts);
    this.#buckets = new TokenBuckets(parts.limits.requestsPerKey, parts.clock);
  }

  isServerReady(): boolean {
    return this.#parts.isReady() && this.#parts.serving.isEveryDeploymentReady();
  }

  serverMetadata(): ServerMetadata {
    return serverMetadata(this.#parts.version, { hasRepository: true });
  }

  async isModelReady(call: CallFacts, target: ModelTarget): Promise<boolean> {
    await this.#admit(call, "models.read", target);
    return this.#parts.serving.isModelReady(target);
  }

  async modelMetadata(call: CallFacts, target: ModelTarget): Promise<ModelMetadata> {
    await this.#admit(call, "models.read", target);
    return this.#parts.serving.metadata(target);
  }

  async statistics(call: CallFacts, target: ModelTarget | undefined): Promise<readonly VersionStatistics[]> {
    const caller = await this.#admit(call, "models.read", target);
    const { serving, statistics } = this.#parts;
    const models =
      target === undefined
        ? serving.models().filter((name) => isInScope(caller, { kind: "model", name }))
        : [target.model];
    return models.flatMap((model) =>
      serving.versions({ model, version: target?.version }).map((version) => statistics.of(model, version)),
    );
  }

  async repositoryIndex(
    call: CallFacts,
    { readyOnly }: { readonly readyOnly: boolean },
  ): Promise<readonly IndexEntry[]> {
    const caller = await this.#admit(call, "models.read", undefined);
    return this.#parts.serving
      .index()
      .filter(({ name, state }) => isInScope(caller, { kind: "model", name }) && (!readyOnly || state === "READY"));
  }

  async changeRepository(call: CallFacts, { verb, model, parameters }: RepositoryChange): Promise<void> {
    const { name, role, keyId, models } = await this.#admit(call, "deployments.write", { model, version: undefined });
    refuseContents(parameters, model);
    const gone = new AbortController();
    call.cancellation.onCancel(() => gone.abort());
    const actor = { name, role, keyId, models, address: call.address, requestId: call.requestId };
    const timeoutMs = call.timeoutMs ?? DEFAULT_DEADLINE_MS;
    await this.#parts.repository[verb](model, { actor, timeoutMs, signal: gone.signal });
  }

  async infer(call: CallFacts, target: ModelTarget, body: RequestBody): Promise<InferOutcome> {
    const { clock, random, metrics } = this.#parts;
    const startedAt = clock.now();
    const trace = nextHop(parseTraceparent(call.header("traceparent")), random);
    let code: ErrorCode | "OK" = "OK";
    let answered: InferenceResponse | undefined;
    try {
      const caller = await this.#caller(call, "models.invoke", target);
      const { take, leave } = this.#parts.admission.enter(caller);
      try {
        if (!take(body.pieces.reduce((sum, { byteLength }) => sum + byteLength, 0)))
          throw new SkerryError("RATE_LIMITED", "too many bytes of requests are under way", { retryAfterMs: 1_000 });
        answered = await this.#parts.infer({
          ...target,
          ...wishesOf(call),
          timeoutMs: call.timeoutMs,
          headerLength: body.headerLength,
          body: body.pieces,
          traceparent: trace && formatTraceparent(trace),
          caller: caller.keyId,
          cancellation: call.cancellation,
        });
        const outcome = await outcomeOf(answered, { take, requestId: call.requestId });
        if (outcome.kind === "refused") ({ code } = outcome);
        return outcome;
      } finally {
        leave();
      }
    } catch (thrown) {
      code = isSkerryError(thrown) ? thrown.code : "INTERNAL";
      throw thrown;
    } finally {
      const ms = clock.now() - startedAt;
      metrics.inferenceAnswered(measuredOf(target, { code, ms, answered }));
      this.#log.add({ requestId: call.requestId, trace, model: target.model, code, ms, answer: answered });
    }
  }

  /** Who asks, within the rate of its key. Throws for a model that it may not see as for one that does not exist. */
  async #admit(call: CallFacts, action: Action, target: ModelTarget | undefined): Promise<Caller> {
    const caller = await this.#caller(call, action, target);
    if (this.#buckets.take(caller.keyId)) return caller;
    const retryAfterMs = this.#buckets.waitMs(caller.keyId);
    throw new SkerryError("RATE_LIMITED", `key ${caller.name} sends too many requests`, { retryAfterMs });
  }

  async #caller(call: CallFacts, action: Action, target: ModelTarget | undefined): Promise<Caller> {
    const caller = await this.#parts.authenticator.authenticate(call.header("authorization"), call.address);
    if (target === undefined) {
      authorize(caller, action, { what: "this call" });
      return caller;
    }
    const unknown = (): SkerryError => unknownModel(target.model);
    authorize(caller, action, { what: "this call", resource: { kind: "model", name: target.model }, unknown });
    if (!isWellFormed(target)) throw unknown();
    return caller;
  }
}

/** What metadata asks for, by the names of HTTP's headers. */
const wishesOf = ({ header }: CallFacts) =>
  parseInferenceHeaders({
    "skerry-site": header("skerry-site"),
    "skerry-residency": header("skerry-residency"),
    "skerry-prefer": header("skerry-prefer"),
    "skerry-sticky": header("skerry-sticky"),
    "skerry-stream": header("skerry-stream"),
  });

async function outcomeOf(
  { body, code, retryAfterMs, headerLength, node, modelVersion, route }: InferenceResponse,
  { take, requestId }: { readonly take: (bytes: number) => boolean; readonly requestId: string },
): Promise<InferOutcome> {
  const whole = body instanceof Uint8Array ? body : await wholeStream(body, take);
  if (code !== undefined) return { kind: "refused", ...refusalFromBody(code, whole, retryAfterMs) };
  const headers = {
    ...(node !== undefined && { "skerry-node": node }),
    ...(modelVersion !== undefined && { "skerry-model-version": modelVersion }),
    "skerry-route": routeHeader(route),
    "x-request-id": requestId,
  };
  return { kind: "answered", body: whole, headerLength, headers };
}
