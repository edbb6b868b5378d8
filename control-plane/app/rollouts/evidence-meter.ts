import type { NodeKind } from "../../../shared/api/v1/nodes/nodes.ts";
import type { RequestEvidence } from "../../core/rollout/gate/evidence.ts";
import { bucketOf } from "../../core/rollout/gate/latency-histogram.ts";
import {
  isBefore,
  isSameWave,
  type MeasuredAnswer,
  type MeasuredRollout,
  type Wave,
} from "../../core/rollout/gate/measured.ts";
import type { Metrics } from "../../ports/metrics.ts";
import type { WaveEvidence } from "../../ports/rollouts/rollout-evidence.ts";

/** Ends that say nothing of a version: the caller left, or this control plane stops. */
const NOT_COUNTED: ReadonlySet<string> = new Set(["CANCELLED", "DRAINING"]);

interface WaveCounts {
  readonly wave: Wave;
  readonly old: Counts;
  readonly new: Counts;
  readonly samples: Readonly<Record<"old" | "new", Counts>>;
  /** Rises with each count. */
  revision: number;
}

/** Counts of one version, in place: a request costs a few additions. */
class Counts {
  readonly #errors = new Map<string, number>();
  readonly #latency: Readonly<Record<NodeKind, number[]>> = { edge: [], cloud: [] };
  #requests = 0;
  #crashes = 0;
  #compared = 0;
  #agreed = 0;
  #largestDifference = 0;

  answered({ code, kind, ms }: MeasuredAnswer): void {
    this.#requests += 1;
    if (code !== undefined) {
      this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
      return;
    }
    if (kind === undefined) return;
    const buckets = this.#latency[kind];
    const bucket = bucketOf(ms);
    while (buckets.length <= bucket) buckets.push(0);
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }

  crashed(): void {
    this.#crashes += 1;
  }

  compared({ agrees, difference }: { readonly agrees: boolean; readonly difference: number }): void {
    this.#compared += 1;
    if (agrees) this.#agreed += 1;
    this.#largestDifference = Math.max(this.#largestDifference, difference);
  }

  snapshot(): RequestEvidence {
    const { edge, cloud } = this.#latency;
    return {
      requests: this.#requests,
      errors: Object.fromEntries(this.#errors),
      latency: { edge: [...edge], cloud: [...cloud] },
      crashes: this.#crashes,
      shadow: { compared: this.#compared, agreed: this.#agreed, largestDifference: this.#largestDifference },
    };
  }
}

/**
 * Counts what the requests of this control plane and the nodes at it say of both versions of a rollout. One wave for each
 * deployment: a later one begins at zero, and what is said of an earlier one then is not counted. Without a rollout nothing is.
 */
export class EvidenceMeter {
  /** By deployment. */
  readonly #waves = new Map<string, WaveCounts>();
  readonly #metrics: Pick<Metrics, "rolloutAnswered" | "rolloutCompared"> | undefined;

  /** Without metrics nothing but the gates knows of its counts. */
  constructor(metrics?: Pick<Metrics, "rolloutAnswered" | "rolloutCompared">) {
    this.#metrics = metrics;
  }

  answered(rollout: MeasuredRollout, answer: MeasuredAnswer): void {
    if (answer.code !== undefined && NOT_COUNTED.has(answer.code)) return;
    const counts = this.#counts(rollout, answer);
    if (!counts) return;
    counts.answered(answer);
    this.#metrics?.rolloutAnswered({
      deployment: rollout.deployment,
      version: answer.version === rollout.new ? "new" : "old",
      isSample: answer.isSample === true,
      isError: answer.code !== undefined,
    });
  }

  /** A model host of the version ended by itself. */
  crashed(rollout: MeasuredRollout, version: number): void {
    this.#counts(rollout, { version })?.crashed();
  }

  /** The new version's answer to a copy, or to a sample, was compared with that of the old one. */
  compared(
    rollout: MeasuredRollout,
    found: { readonly agrees: boolean; readonly difference: number; readonly isSample?: boolean },
  ): void {
    const counts = this.#counts(rollout, { version: rollout.new, ...found });
    if (!counts) return;
    counts.compared(found);
    this.#metrics?.rolloutCompared({ deployment: rollout.deployment, agrees: found.agrees });
  }

  /** What was counted of a wave here, and a number that rises with each count; undefined before the first. */
  of(asked: Wave): { readonly counted: WaveEvidence; readonly revision: number } | undefined {
    const { deployment, rollout, wave } = asked;
    const found = this.#waves.get(deployment);
    if (!found || !isSameWave(found.wave, asked)) return undefined;
    return {
      counted: {
        deployment,
        rollout,
        wave,
        old: found.old.snapshot(),
        new: found.new.snapshot(),
        samples: { old: found.samples.old.snapshot(), new: found.samples.new.snapshot() },
      },
      revision: found.revision,
    };
  }

  /** Forgets all but these. */
  keepOnly(waves: readonly Wave[]): void {
    const names = new Set(waves.map(({ deployment }) => deployment));
    for (const deployment of this.#waves.keys()) if (!names.has(deployment)) this.#waves.delete(deployment);
  }

  /** Undefined of a version that is neither, and of a wave that is over: a long answer may have begun in one. */
  #counts(
    rollout: MeasuredRollout,
    { version, isSample = false }: { readonly version: number; readonly isSample?: boolean },
  ): Counts | undefined {
    if (version !== rollout.old && version !== rollout.new) return undefined;
    let counts = this.#waves.get(rollout.deployment);
    if (counts && isBefore(rollout, counts.wave)) return undefined;
    if (!counts || !isSameWave(counts.wave, rollout)) {
      const samples = { old: new Counts(), new: new Counts() };
      counts = { wave: rollout, old: new Counts(), new: new Counts(), samples, revision: 0 };
      this.#waves.set(rollout.deployment, counts);
    }
    counts.revision += 1;
    const of = isSample ? counts.samples : counts;
    return version === rollout.new ? of.new : of.old;
  }
}
