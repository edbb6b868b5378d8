import type { Clock } from "../../shared/base/clock.ts";
import type { Logger } from "../../shared/base/logging/logger.ts";
import type { Random } from "../../shared/base/random.ts";
import type { PostgresStores } from "../adapters/postgres/postgres.ts";
import { ControlLoop } from "../app/control-loop/control-loop.ts";
import { DemandReports } from "../app/control-loop/demand-reports.ts";
import { createEffects } from "../app/control-loop/effects/effects.ts";
import { Leadership } from "../app/control-loop/leadership.ts";
import type { FleetCache } from "../app/fleet/fleet-cache.ts";
import type { InferenceService } from "../app/inference/inference-service.ts";
import type { EvidenceMeter } from "../app/rollouts/evidence-meter.ts";
import { EvidenceReports } from "../app/rollouts/evidence-reports.ts";
import { SampleRequests } from "../app/rollouts/sample-requests.ts";
import { samplesOf } from "../app/rollouts/version-samples.ts";
import { GateVerdicts } from "../app/rollouts/gate-verdicts.ts";
import type { Config } from "../config.ts";
import type { ArtifactStore } from "../ports/catalog/artifacts.ts";
import type { NodeTimings } from "../core/fleet/node-status.ts";
import { measuredRollout } from "../core/rollout/measured-rollout.ts";
import { originsNow } from "../core/scaling/demand-origins.ts";
import type { PlanContext } from "../core/scheduling/context.ts";

interface Parts {
  readonly replica: string;
  readonly postgres: Pick<PostgresStores, "leadership" | "demand" | "rolloutEvidence" | "plans" | "catalog">;
  readonly fleet: FleetCache;
  readonly inference: Pick<InferenceService, "demands" | "infer">;
  /** Round trips to the other control planes that are linked, by their ids, in ms. */
  readonly hops: () => ReadonlyMap<string, number>;
  readonly artifacts: Pick<ArtifactStore, "stream">;
  readonly evidence: EvidenceMeter;
  readonly onRollout: Parameters<typeof createEffects>[0]["onRollout"];
  readonly pools: ConstructorParameters<typeof ControlLoop>[0]["pools"];
  readonly timings: NodeTimings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface ControlLoopParts {
  readonly leadership: Leadership;
  readonly demand: DemandReports;
  readonly reports: EvidenceReports;
  readonly samples: SampleRequests;
  readonly loop: ControlLoop;
  /** What requests for deployments lose between control planes. Throws `DATABASE_UNAVAILABLE`. */
  readonly hops: () => Promise<PlanContext["hops"]>;
}

/** What one control plane does for all, and what it is given for that by the others. Nothing runs before each is started. */
export function composeControlLoop({ scaleDownMs }: Pick<Config, "scaleDownMs">, parts: Parts): ControlLoopParts {
  const { replica, postgres, artifacts, fleet, inference, evidence, pools, timings, clock, random, logger, onRollout } =
    parts;
  const leadership = new Leadership({
    store: postgres.leadership,
    replica,
    clock,
    logger,
    onElected() {
      demand.changed();
      loop.trigger("elected");
    },
    // A fleet of one replica reads nothing while nothing changes: this is how it learns that PostgreSQL is away.
    onUnanswered: () => void fleet.refresh(),
  });
  const isLeading = (): boolean => leadership.current() !== undefined;
  const demand = new DemandReports({
    replica,
    store: postgres.demand,
    measured: () => inference.demands(),
    hops: parts.hops,
    isLeading,
    clock,
    logger,
  });
  const reports = new EvidenceReports({
    replica,
    store: postgres.rolloutEvidence,
    meter: evidence,
    waves: () => [...fleet.snapshot().deployments.values()].flatMap((each) => measuredRollout(each) ?? []),
    isLeading,
    clock,
    logger,
  });
  const samples = new SampleRequests({
    fleet,
    evidence,
    reports,
    samplesOf: (version) => samplesOf(version, { catalog: postgres.catalog, artifacts }),
    infer: (request) => inference.infer(request),
    isLeading,
    clock,
    logger,
  });
  const verdicts = new GateVerdicts({ reports, samples, clock });
  const loop = new ControlLoop({
    fleet,
    leadership,
    execute: createEffects({ plans: postgres.plans, random, now: () => clock.now(), onRollout }),
    demands: () => demand.all(),
    pools,
    gate: (seen, of) => verdicts.of(seen, of),
    scaleDownMs,
    timings,
    clock,
    logger,
  });
  const hops = async () => loop.hops() ?? originsNow(await demand.ask());
  return { leadership, demand, reports, samples, loop, hops };
}
