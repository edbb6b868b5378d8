import type { IndexEntry, ModelMetadata, ServerMetadata } from "../../../../shared/api/v1/inference.ts";
import type { Clock } from "../../../../shared/base/clock.ts";
import { type ErrorCode, isSkerryError, SkerryError } from "../../../../shared/base/errors.ts";
import type { Logger } from "../../../../shared/base/logging/logger.ts";
import type { CallFacts, InferenceFront, InferOutcome } from "../../../../shared/inference/grpc/front.ts";
import type { RequestBody } from "../../../../shared/inference/grpc/infer-messages.ts";
import { refusalFromBody } from "../../../../shared/inference/grpc/status.ts";
import type { ByteBudget } from "../../../../shared/inference/http/byte-budget.ts";
import { serverMetadata } from "../../../../shared/inference/http/documents.ts";
import type { ModelTarget } from "../../../../shared/inference/http/path.ts";
import { parseInferenceHeaders } from "../../../../shared/inference/http/request-headers.ts";
import type { InferenceStatistics, VersionStatistics } from "../../../../shared/inference/statistics.ts";
import { wholeStream } from "../../../../shared/inference/whole-stream.ts";
import type { LocalNode } from "../../../ports/serving.ts";
import { askHere, isCatalogd } from "../infer.ts";
import type { CallerAccess } from "../../../core/caller-rights.ts";
import type { Admitted, LocalCallers } from "../local-callers.ts";
import type { NodeMetrics } from "../metrics.ts";
import {
  isModelReady,
  isServerReady,
  modelMetadata,
  modelStatistics,
  repositoryChange,
  repositoryIndex,
} from "../model-routes.ts";
import { resolvePlacement } from "../resolve-placement.ts";

export interface LocalFrontParts {
  readonly node: LocalNode;
  readonly metrics: NodeMetrics;
  readonly callers: LocalCallers | undefined;
  readonly readyWhen: "all" | "any";
  readonly bodies: ByteBudget;
  readonly statistics: InferenceStatistics;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A node's own models for gRPC: the same keys, rules and bounds as its HTTP API. */
export class LocalFront implements InferenceFront {
  readonly #parts: LocalFrontParts;

  constructor(parts: LocalFrontParts) {
    this.#parts = parts;
  }

  isServerReady(): boolean {
    return isServerReady(this.#parts.node, this.#parts.readyWhen);
  }

  serverMetadata(): ServerMetadata {
    return serverMetadata(this.#parts.node.version, { hasRepository: false });
  }

  async isModelReady(call: CallFacts, target: ModelTarget): Promise<boolean> {
    return isModelReady(await this.#seenBy(call), target);
  }

  async modelMetadata(call: CallFacts, target: ModelTarget): Promise<ModelMetadata> {
    return modelMetadata(await this.#seenBy(call), target);
  }

  async statistics(call: CallFacts, target: ModelTarget | undefined): Promise<readonly VersionStatistics[]> {
    const node = await this.#seenBy(call);
    const { statistics } = this.#parts;
    if (target !== undefined) return modelStatistics(node, target, statistics);
    const models = new Set(node.placements().map(({ model }) => model));
    return [...models].flatMap((model) => modelStatistics(node, { model, version: undefined }, statistics));
  }

  async repositoryIndex(
    call: CallFacts,
    { readyOnly }: { readonly readyOnly: boolean },
  ): Promise<readonly IndexEntry[]> {
    return repositoryIndex(await this.#seenBy(call), { ready: readyOnly });
  }

  async changeRepository(call: CallFacts): Promise<void> {
    await this.#seenBy(call);
    repositoryChange();
  }

  async infer(call: CallFacts, target: ModelTarget, request: RequestBody): Promise<InferOutcome> {
    const { metrics, clock } = this.#parts;
    const startedAt = clock.now();
    let model: string | undefined;
    let code: ErrorCode | "OK" = "OK";
    let leave = (): void => undefined;
    try {
      const admitted = await this.#admit(call, "invoke");
      ({ leave } = admitted);
      const { node } = admitted;
      const placement = resolvePlacement(target, node.placements());
      ({ model } = placement);
      const outcome = await this.#ask(call, request, { placement, startedAt });
      if (outcome.kind === "refused") ({ code } = outcome);
      return outcome;
    } catch (thrown) {
      code = isSkerryError(thrown) ? thrown.code : "INTERNAL";
      throw thrown;
    } finally {
      leave();
      metrics.answered(model, code, (clock.now() - startedAt) / 1_000);
    }
  }

  async #ask(
    call: CallFacts,
    { pieces, headerLength }: RequestBody,
    { placement, startedAt }: { placement: ReturnType<typeof resolvePlacement>; startedAt: number },
  ): Promise<InferOutcome> {
    const { residency, stream } = parseInferenceHeaders({
      "skerry-residency": call.header("skerry-residency"),
      "skerry-stream": call.header("skerry-stream"),
    });
    const { take, leave } = this.#parts.bodies.enter();
    try {
      const body = Buffer.concat(pieces);
      if (!take(body.length))
        throw new SkerryError("RATE_LIMITED", "too many bytes of requests are under way", { retryAfterMs: 1_000 });
      const { timeoutMs, cancellation } = call;
      const traceparent = call.header("traceparent");
      const asked = { body, headerLength, timeoutMs, residency, startedAt, traceparent, cancellation, stream };
      const answer = await askHere(placement, asked, this.#parts);
      const whole = answer.body instanceof Uint8Array ? answer.body : await wholeStream(answer.body, take);
      if (answer.code !== undefined) {
        const code = isCatalogd(answer.code) ? answer.code : "INTERNAL";
        return { kind: "refused", ...refusalFromBody(code, whole, undefined) };
      }
      const headers = {
        "skerry-node": this.#parts.node.name,
        "skerry-model-version": `${placement.model}:${placement.version}`,
        "x-request-id": call.requestId,
      };
      return { kind: "answered", body: whole, headerLength: answer.headerLength, headers };
    } finally {
      leave();
    }
  }

  async #seenBy(call: CallFacts): Promise<LocalNode> {
    return (await this.#admit(call, "models")).node;
  }

  async #admit(call: CallFacts, access: CallerAccess): Promise<Admitted> {
    const { callers, node } = this.#parts;
    const asking = { authorization: call.header("authorization"), address: call.address };
    return callers ? callers.admit(asking, access, node) : { node, leave: () => undefined };
  }
}
