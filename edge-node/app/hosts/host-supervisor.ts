import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import { DRAIN_MS } from "../../../shared/protocol/limits.ts";
import type { CrashVerdict } from "../../core/placements/placement-states.ts";
import type { LocalPlacement } from "../../core/placements/local-placement.ts";
import { MAX_CRASHES } from "../../core/placements/restart-policy.ts";
import type { ArtifactDisk } from "../../ports/disk.ts";
import type { SystemProbe } from "../../ports/machine.ts";
import type { HostExit, ModelHost, ModelHosts } from "../../ports/model-hosts.ts";
import { isHostFailure } from "./host-failure.ts";
import { HostLimits } from "./host-limits.ts";
import { HostRecycler } from "./host-recycler.ts";
import type { Placements } from "../placements/placements.ts";
import type { NodeLog } from "../session/node-log.ts";
import { hostSpecOf } from "./host-spec.ts";
import { measuredHost } from "./measured-host.ts";
import type { RequestExecutor } from "../inference/request-executor.ts";

type Placement = LocalPlacement<ModelHost>;

interface Parts {
  readonly hosts: ModelHosts;
  readonly disk: ArtifactDisk;
  readonly serving: RequestExecutor;
  readonly probe: Pick<SystemProbe, "memFreeMiB" | "capabilities">;
  /** All placements of the node. */
  readonly placements: Pick<Placements, "all">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly log: NodeLog;
  /** Something ended: plan again. */
  readonly onSettled: () => void;
}

/**
 * Starts and stops the model host of one placement after another, and passes what happens to a host to its placement as
 * an event. What follows (a restart with back-off, a failure) the placement decides; `hostState` says what is under way,
 * so nothing is started or stopped twice.
 */
export class HostSupervisor {
  readonly #parts: Parts;
  readonly #work = new Set<Promise<void>>();
  /** Starts under way. */
  readonly #starts = new Map<Placement, AbortController>();
  readonly #recycler: HostRecycler;
  readonly #limits: HostLimits;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#limits = new HostLimits(parts);
    this.#recycler = new HostRecycler({
      ...parts,
      limits: this.#limits,
      own: (work) => this.#own(work),
      onReplaced: (placement, host) => {
        this.#watch(placement, host);
        this.#measuredAgain(placement);
      },
      onMeasured: (placement) => this.#measuredAgain(placement),
    });
  }

  /** From `staged`: check the files, load, warm up, serve. Returns at once. */
  start(placement: Placement): void {
    const { mustVerify } = placement.hostStarting();
    const abort = new AbortController();
    this.#starts.set(placement, abort);
    const started = this.#start(placement, { mustVerify, signal: abort.signal });
    this.#own(
      started.finally(() => {
        if (this.#starts.get(placement) === abort) this.#starts.delete(placement);
      }),
    );
  }

  /** The limits of a placement that serves may have changed. */
  limitsChanged(placement: Placement): void {
    const { host, hostState, spec } = placement;
    if (!host || hostState !== "running") return;
    this.#parts.serving.serve(spec, host);
    this.#own(this.#limits.raise(placement, host).then(() => this.#measuredAgain(placement)));
  }

  /** Takes the placement out of service, lets its requests end for at most `graceMs`, ends its process. Returns at once. */
  stop(placement: Placement, graceMs: number): void {
    const { hostState, host } = placement;
    if (hostState === "starting") {
      this.#parts.serving.remove(placement.spec.placementId);
      placement.hostStopping();
      this.#starts.get(placement)?.abort();
    } else if (hostState === "running" && host) {
      this.#recycler.cancel(placement, graceMs);
      const { serving } = this.#parts;
      const { placementId } = placement.spec;
      serving.remove(placementId);
      placement.hostStopping({ keptStreams: serving.keptStreams(placementId) });
      this.#own(this.#stopHost(placement, host, graceMs));
    }
  }

  /** It counts as draining until other nodes have what it keeps of streams, so that the control plane still reaches this one. */
  async #stopHost(placement: Placement, host: ModelHost, graceMs: number): Promise<void> {
    const { serving, log } = this.#parts;
    const stayed = await serving.handOver(placement.spec.placementId, host.stop(graceMs));
    if (stayed > 0)
      log.add("warn", `nobody took over the ${stayed} streams of ${nameOf(placement)}`, "StreamsNotHandedOver");
    placement.hostStopped();
  }

  /** When every start and stop that is under way has ended. */
  async settled(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  async #start(
    placement: Placement,
    { mustVerify, signal }: { readonly mustVerify: boolean; readonly signal: AbortSignal },
  ): Promise<void> {
    const { disk, hosts, serving, logger } = this.#parts;
    const { placementId, model, version, artifact } = placement.spec;
    try {
      if (mustVerify) {
        // A byte that went bad on the disk is found here and not as a wrong answer.
        placement.becomeVerifying();
        if (!(await disk.verify(artifact))) return this.#damaged(placement);
      }
      const onMeasured = (): void => this.#measuredAgain(placement);
      const bare = await hostSpecOf(placement.spec, { ...this.#parts, onMeasured });
      const spec = await this.#limits.forStart(placement, bare);
      if (signal.aborted) return placement.hostStopped();
      placement.hostLoading();
      const onPhase = (phase: "loading" | "warming"): void => {
        if (phase === "warming") placement.hostWarming();
      };
      const host = await hosts.start(spec, onPhase, signal);
      this.#limits.ended(placement, host);
      if (signal.aborted) {
        await host.stop(0);
        return placement.hostStopped();
      }
      await this.#limits.raise(placement, host); // it may have been raised during the start
      serving.serve(placement.spec, host);
      const { noBatchReason } = host;
      if (noBatchReason !== undefined)
        logger.info({ placementId, model, version, noBatchReason }, "runs are not shared");
      placement.hostReady(host, measuredHost(host, placement.spec));
      this.#watch(placement, host);
    } catch (error) {
      if (signal.aborted) placement.hostStopped();
      else this.#startFailed(placement, error);
    } finally {
      this.#limits.ended(placement, undefined);
    }
  }

  /** Its host says something else than before. */
  #measuredAgain(placement: Placement): void {
    const { host } = placement;
    if (host) placement.hostMeasured(host, measuredHost(host, placement.spec));
  }

  #watch(placement: Placement, host: ModelHost): void {
    void host.exited.then((exit) => this.#exited(placement, host, exit));
    this.#recycler.watch(placement, host);
  }

  #damaged(placement: Placement): void {
    const { log, logger } = this.#parts;
    const { placementId, artifact } = placement.spec;
    logger.error({ placementId, artifact }, "a stored model is damaged; its bad chunks are fetched again");
    log.add("error", `${nameOf(placement)} is damaged on disk; its bad chunks are fetched again`);
    placement.bytesDamaged();
  }

  #startFailed(placement: Placement, error: unknown): void {
    const { clock, random, logger } = this.#parts;
    this.#parts.serving.remove(placement.spec.placementId); // no more requests wait for it
    const code = isHostFailure(error) ? error.code : "LOAD_FAILED";
    const detail = messageOf(error);
    logger.warn({ placementId: placement.spec.placementId, code, detail }, "a model host did not start");
    if (code === "HOST_CRASHED")
      this.#logCrash(placement, detail, placement.hostStartCrashed({ code, detail }, clock.now(), random));
    else placement.hostStartFailed({ code, detail }, clock.now());
  }

  /** A process ended. An exit that was asked for, or of a replaced host, changes nothing. */
  #exited(placement: Placement, host: ModelHost, { code, reason, blames, tooLarge, shared }: HostExit): void {
    // Also of a model that was about to stop: an operator is to know what ended the host.
    if (shared?.sentence !== undefined) this.#parts.log.add("warn", shared.sentence, "SharedHostEnded");
    if (placement.host !== host || placement.hostState !== "running") return;
    if (tooLarge) this.#limits.wasTooLarge(placement, host.memory().limitMiB, tooLarge);
    const { serving, clock, random, onSettled } = this.#parts;
    this.#recycler.cancel(placement, DRAIN_MS);
    const isForgiven = blames !== undefined || shared?.mayReturn === true;
    if (isForgiven && placement.hostOverwhelmed(host)) {
      serving.replaceHost(placement.spec.placementId);
      if (shared === undefined) this.#logOverwhelmed(placement, reason);
      return onSettled();
    }
    serving.remove(placement.spec.placementId);
    const verdict = placement.hostExited(host, { code, detail: reason }, clock.now(), random);
    if (verdict !== null && verdict !== "drained") this.#logCrash(placement, reason, verdict);
    onSettled();
  }

  #logOverwhelmed(placement: Placement, reason: string): void {
    const { logger, log } = this.#parts;
    logger.warn({ placementId: placement.spec.placementId, reason }, "a request ended a model host");
    log.add("warn", `a request ended the model host of ${nameOf(placement)}: ${reason}; it is started again`);
  }

  #logCrash(placement: Placement, reason: string, { kind, crashes }: CrashVerdict): void {
    const { logger, log } = this.#parts;
    logger.warn({ placementId: placement.spec.placementId, reason, crashes }, "a model host crashed");
    if (kind === "give-up")
      log.add("error", `the model host of ${nameOf(placement)} ended ${MAX_CRASHES} times within a minute: ${reason}`);
    else log.add("warn", `the model host of ${nameOf(placement)} ended: ${reason}; it is started again`);
  }

  #own(work: Promise<void>): void {
    const owned = work
      .catch((error: unknown) =>
        this.#parts.logger.error({ error: messageOf(error) }, "a start or stop of a model host failed"),
      )
      .then(() => {
        this.#work.delete(owned);
        this.#parts.onSettled();
      });
    this.#work.add(owned);
  }
}

const nameOf = ({ spec }: Placement): string => `${spec.model}:${spec.version}`;
