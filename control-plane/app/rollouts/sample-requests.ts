import { sleep, type Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { release } from "../../../shared/bytes/owned-bytes.ts";
import { Cancellation } from "../../../shared/flow/cancellation.ts";
import { versionOf } from "../../core/fleet/queries.ts";
import type { FleetDeployment, FleetVersion } from "../../core/fleet/types.ts";
import { isSameWave, type MeasuredRollout, type Wave } from "../../core/rollout/gate/measured.ts";
import { measuredRollout } from "../../core/rollout/measured-rollout.ts";
import type { FleetReader } from "../fleet/fleet-reader.ts";
import type { InferenceRequest, InferenceResponse } from "../inference/inference-request.ts";
import { compareBodies, NO_AGREEMENT } from "./compare-bodies.ts";
import type { EvidenceMeter } from "./evidence-meter.ts";
import type { EvidenceReports } from "./evidence-reports.ts";
import { isUncounted } from "./uncounted.ts";
import type { SampleRequest } from "./version-samples.ts";

/** How often it looks for waves that lack requests, in ms. */
const LOOK_MS = 1_000;
/** Times as long as both answers took nothing is asked: samples take a fifth of a replica's time at most. */
const REST = 4;
const MAX_REST_MS = 5_000;
/** Samples that could not be read are read again after so long, in ms. */
const AGAIN_MS = 10_000;

interface Parts {
  readonly fleet: Pick<FleetReader, "snapshot">;
  readonly evidence: EvidenceMeter;
  readonly reports: Pick<EvidenceReports, "of">;
  /** The samples of a version; why there are none, as a text. */
  readonly samplesOf: (version: FleetVersion) => Promise<readonly SampleRequest[] | string>;
  readonly infer: (request: InferenceRequest) => Promise<InferenceResponse>;
  readonly isLeading: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Short {
  readonly model: string;
  readonly measured: MeasuredRollout;
}

/**
 * Makes up for callers where a wave has too few: asks both versions of a rollout the samples of the new one, by turns, until
 * that has had the requests that its gate wants. Only the control plane that leads does, for each deployment one after the other.
 */
export class SampleRequests {
  readonly #parts: Parts;
  /** By deployment: waves in which samples are asked now. */
  readonly #busy = new Set<string>();
  /** By deployment: why it has none. */
  readonly #missing = new Map<string, { readonly wave: Wave; readonly why: string }>();
  readonly #cancellation = new Cancellation();
  readonly #stopping = new AbortController();
  #cancel: () => void = () => undefined;
  #isStopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#cancel = this.#parts.clock.after(LOOK_MS, () => {
      this.start();
      this.#look();
    });
  }

  /** Gives up what is under way. */
  stop(): void {
    this.#isStopped = true;
    this.#cancel();
    this.#cancellation.cancel();
    this.#stopping.abort();
  }

  /** Why a wave that lacks requests gets no samples; undefined: it gets them, or lacks nothing. */
  whyNone(wave: Wave): string | undefined {
    const found = this.#missing.get(wave.deployment);
    return found && isSameWave(found.wave, wave) ? found.why : undefined;
  }

  #look(): void {
    const { deployments } = this.#parts.fleet.snapshot();
    for (const name of this.#missing.keys()) if (!deployments.has(name)) this.#missing.delete(name);
    for (const { name } of deployments.values()) {
      const short = this.#busy.has(name) ? undefined : this.#shortOf(name);
      if (short) void this.#ask(name, short);
    }
  }

  /** The wave of the deployment that bakes and has had too few requests when its time was over. */
  #shortOf(name: string): Short | undefined {
    const { fleet, reports, clock, isLeading } = this.#parts;
    const deployment: FleetDeployment | undefined = fleet.snapshot().deployments.get(name);
    const rollout = deployment?.rollout;
    const measured = deployment && measuredRollout(deployment);
    if (this.#isStopped || !isLeading() || !rollout || !measured) return undefined;
    const { gate, bakeSeconds, phase, model } = rollout.record;
    if (!gate.useSamples || phase !== "baking" || clock.now() - rollout.phaseSince < bakeSeconds * 1_000)
      return undefined;
    const counted = reports.of(measured);
    if (!counted || counted.new.requests + counted.samples.new.requests >= gate.minRequests) return undefined;
    return { model, measured };
  }

  async #ask(name: string, { model, measured }: Short): Promise<void> {
    const { clock, logger } = this.#parts;
    this.#busy.add(name);
    try {
      const samples = await this.#samples(model, measured.new);
      if (typeof samples === "string") {
        this.#missing.set(name, { wave: measured, why: samples });
        return await this.#rest(AGAIN_MS);
      }
      this.#missing.delete(name);
      for (let turn = 0; ; turn += 1) {
        const short = this.#shortOf(name);
        const sample = samples[turn % samples.length];
        if (!sample || !short || !isSameWave(short.measured, measured)) return;
        const startedAt = clock.now();
        const isCounted = await this.#compare(short, sample, turn);
        const restMs = Math.min(MAX_REST_MS, REST * (clock.now() - startedAt));
        // A refusal takes no time, and the next one would follow at once.
        await this.#rest(Math.max(isCounted ? 1 : LOOK_MS, restMs));
      }
    } catch (error) {
      logger.warn({ deployment: name, error: messageOf(error) }, "samples could not be asked; they are asked again");
      await this.#rest(AGAIN_MS);
    } finally {
      this.#busy.delete(name);
    }
  }

  /** Less when it is stopped meanwhile. */
  #rest(ms: number): Promise<void> {
    return sleep(this.#parts.clock, ms, this.#stopping.signal).catch(() => undefined);
  }

  async #samples(model: string, version: number): Promise<readonly SampleRequest[] | string> {
    const found = versionOf(this.#parts.fleet.snapshot(), model, version);
    return found ? this.#parts.samplesOf(found) : `${model}:${version} is not there any more`;
  }

  /**
   * Asks both versions, each of them first by turns: what one finds in a cache of the machine the other finds as often.
   * False when an answer says nothing of its version.
   */
  async #compare({ model, measured }: Short, sample: SampleRequest, turn: number): Promise<boolean> {
    const order = turn % 2 === 0 ? [measured.old, measured.new] : [measured.new, measured.old];
    const answers = new Map<number, InferenceResponse>();
    for (const version of order) answers.set(version, await this.#answer({ model, measured }, sample, version));
    const [old, fresh] = [answers.get(measured.old), answers.get(measured.new)];
    const [was, is] = [bytesOf(old), bytesOf(fresh)];
    if (measured.copies && old && fresh && was && !isUncounted(fresh)) {
      const { headerLength } = old;
      const found = is ? compareBodies({ body: was, headerLength }, { ...fresh, body: is }) : NO_AGREEMENT;
      this.#parts.evidence.compared(measured, { ...found, isSample: true });
    }
    for (const each of answers.values()) if (each.body instanceof Uint8Array) release(each.body);
    return !answers.values().some(isUncounted);
  }

  async #answer({ model, measured }: Short, sample: SampleRequest, version: number): Promise<InferenceResponse> {
    const { infer, clock, evidence, fleet } = this.#parts;
    const startedAt = clock.now();
    const answer = await infer({
      model,
      version: String(version),
      // Another deployment may have the version on other nodes, which say nothing of this rollout.
      deployment: measured.deployment,
      body: [sample.body],
      headerLength: sample.headerLength,
      timeoutMs: undefined,
      site: undefined,
      residency: undefined,
      prefer: undefined,
      traceparent: undefined,
      cancellation: this.#cancellation,
    });
    const ms = clock.now() - startedAt;
    if (!(answer.body instanceof Uint8Array)) answer.body.cancel();
    if (isUncounted(answer)) return answer;
    const { nodes, placements } = fleet.snapshot();
    const placement = placements.get(answer.route.placement ?? "");
    const kind = placement && nodes.get(placement.nodeId)?.kind;
    evidence.answered(measured, { version, code: answer.code, kind, ms, isSample: true });
    return answer;
  }
}

/** Of an answer with 200. */
const bytesOf = (answer: InferenceResponse | undefined): Uint8Array | undefined =>
  answer?.code === undefined && answer?.body instanceof Uint8Array ? answer.body : undefined;
