import type { Clock } from "../../../shared/base/clock.ts";
import type { Random } from "../../../shared/base/random.ts";
import { release } from "../../../shared/bytes/owned-bytes.ts";
import { Cancellation } from "../../../shared/flow/cancellation.ts";
import type { MeasuredRollout } from "../../core/rollout/gate/measured.ts";
import { AnswerTimes } from "../../core/routing/answer-times.ts";
import { RetryBudget } from "../../core/routing/retry-budget.ts";
import type { RoutePolicy } from "../../core/routing/table.ts";
import { compareBodies, NO_AGREEMENT } from "../rollouts/compare-bodies.ts";
import type { EvidenceMeter } from "../rollouts/evidence-meter.ts";
import { isUncounted } from "../rollouts/uncounted.ts";
import { InferenceExecution } from "./inference-execution.ts";
import { bodyBytes, type InferenceRequest, type InferenceResponse } from "./inference-request.ts";
import type { RouteCache } from "./route-cache.ts";

/** A larger request is not copied: copying 1 MiB takes about 0.1 ms of the thread that serves callers. */
const MAX_REQUEST_BYTES = 1_048_576;
/**
 * A larger answer is not compared. Reading so much JSON takes about 0.5 ms; a thread of its own would be asked by messages
 * that take as long as reading a usual answer, and would need some 10 MiB.
 */
const MAX_ANSWER_BYTES = 65_536;
/** Copies under way at once, of all deployments: each holds a request and an answer. */
const MAX_COPIES = 8;
/** Times as long as a copy took no other one of its deployment is sent: copies take a fiftieth of the time of one replica, however fast it is. */
const REST = 49;
const MAX_REST_MS = 10_000;

interface Parts {
  readonly routes: RouteCache;
  readonly evidence: EvidenceMeter;
  readonly clock: Clock;
  readonly random: Random;
}

interface Copy {
  readonly measured: MeasuredRollout;
  readonly policy: RoutePolicy;
  readonly request: InferenceRequest;
  /** What the caller got. */
  readonly answer: { readonly body: Uint8Array; readonly headerLength: number };
}

/**
 * Sends copies of requests to the new version of a rollout, compares its answers with those of the callers and throws them
 * away. A copy is made when the caller's answer is there, and sent when that has gone: no caller waits for one or sees its
 * failure. Of each deployment one is under way at a time, with a rest after each; requests meanwhile are not copied.
 */
export class ShadowCopies {
  readonly #parts: Parts;
  /** Of copies alone: they earn no retries and hedge nothing. */
  readonly #stats = {
    retries: new RetryBudget(0),
    hedges: new RetryBudget(0),
    answerTimes: new AnswerTimes(),
  };
  /** Of the copies that are under way, by deployment. */
  readonly #underWay = new Map<string, Cancellation>();
  /** Until when nothing of a deployment is copied. */
  readonly #restsUntil = new Map<string, number>();
  #isStopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** A caller's request was answered; its body and that of the answer are still there. */
  answered(
    request: InferenceRequest,
    { status, body, headerLength }: InferenceResponse,
    of: { readonly measured: MeasuredRollout; readonly policy: RoutePolicy },
  ): void {
    const { clock } = this.#parts;
    const { deployment } = of.measured;
    if (this.#isStopped || status !== 200 || this.#underWay.size >= MAX_COPIES) return;
    if (this.#underWay.has(deployment) || clock.now() < (this.#restsUntil.get(deployment) ?? 0)) return;
    if (!(body instanceof Uint8Array) || body.byteLength > MAX_ANSWER_BYTES) return;
    if (bodyBytes(request) > MAX_REQUEST_BYTES || (request.asks ?? "tensors") !== "tensors") return;
    const cancellation = new Cancellation();
    this.#underWay.set(deployment, cancellation);
    const { model, headerLength: requestHeader, residency } = request;
    const copy: Copy = {
      ...of,
      request: {
        model,
        version: String(of.measured.new),
        body: request.body.map((piece) => new Uint8Array(piece)),
        headerLength: requestHeader,
        timeoutMs: undefined,
        site: undefined,
        residency,
        prefer: undefined,
        traceparent: undefined,
        cancellation,
      },
      answer: { body: new Uint8Array(body), headerLength },
    };
    clock.after(0, () => void this.#run(copy));
  }

  /** Gives up the copies that are under way. */
  stop(): void {
    this.#isStopped = true;
    for (const cancellation of this.#underWay.values()) cancellation.cancel();
  }

  async #run(copy: Copy): Promise<void> {
    const { clock } = this.#parts;
    const startedAt = clock.now();
    try {
      await this.#send(copy, startedAt);
    } finally {
      const now = clock.now();
      const { deployment } = copy.measured;
      this.#underWay.delete(deployment);
      for (const [name, until] of this.#restsUntil) if (until <= now) this.#restsUntil.delete(name);
      this.#restsUntil.set(deployment, now + Math.min(MAX_REST_MS, REST * (now - startedAt)));
    }
  }

  async #send({ measured, policy, request, answer }: Copy, startedAt: number): Promise<void> {
    const { routes, evidence, clock, random } = this.#parts;
    const version = measured.new;
    const ready = routes
      .table()
      .byModel.get(request.model)
      ?.deployments.find(({ name }) => name === measured.deployment)
      ?.byVersion.get(version);
    if (ready === undefined) return;
    const deadline = startedAt + policy.timeoutMs;
    const stats = this.#stats;
    const copyPolicy = { ...policy, hedge: false };
    const execution = new InferenceExecution(
      { request, startedAt, deadline, version, ready, policy: copyPolicy, stats },
      { routes, clock, random },
    );
    const { code, body, headerLength, route } = await execution.run();
    const ms = clock.now() - startedAt;
    const whole = body instanceof Uint8Array ? body : undefined;
    if (whole === undefined && !(body instanceof Uint8Array)) body.cancel();
    if (!isUncounted({ code })) {
      const kind = ready.find(({ placement }) => placement.id === route.placement)?.kind;
      evidence.answered(measured, { version, code, kind, ms });
      const isComparable = code === undefined && whole !== undefined && whole.byteLength <= 2 * MAX_ANSWER_BYTES;
      evidence.compared(measured, isComparable ? compareBodies(answer, { body: whole, headerLength }) : NO_AGREEMENT);
    }
    if (whole !== undefined) release(whole);
  }
}
