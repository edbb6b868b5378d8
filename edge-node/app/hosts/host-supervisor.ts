import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import { DRAIN_MS } from "../../../shared/protocol/limits.ts";
import { afterCrash, MAX_CRASHES } from "../../core/restart-policy.ts";
import type { ArtifactDisk } from "../../ports/disk.ts";
import type { SystemProbe } from "../../ports/machine.ts";
import type { HostExit, ModelHost, ModelHosts } from "../../ports/model-hosts.ts";
import { isHostFailure } from "./host-failure.ts";
import { HostRecycler } from "./host-recycler.ts";
import type { NodeLog } from "../session/node-log.ts";
import type { Held, Placements } from "../placements/placements.ts";
import { hostSpecOf } from "./host-spec.ts";
import type { RequestExecutor } from "../inference/request-executor.ts";

interface Parts {
  readonly hosts: ModelHosts;
  readonly disk: ArtifactDisk;
  readonly serving: RequestExecutor;
  readonly placements: Placements;
  readonly probe: Pick<SystemProbe, "memFreeMiB">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly log: NodeLog;
  /** Something ended: plan again. */
  readonly onSettled: () => void;
}

/**
 * Starts and stops the model host of one placement after another, and answers crashes: restart with back-off, and
 * after 3 in 60 s `failed`. `Held.host` says what is under way, so nothing is started or stopped twice.
 */
export class HostSupervisor {
  readonly #parts: Parts;
  readonly #work = new Set<Promise<void>>();
  readonly #renewal: HostRecycler;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#renewal = new HostRecycler({
      ...parts,
      own: (work) => this.#own(work),
      adopt: (held, host) => this.#adopt(held, host),
    });
  }

  /** From `staged`: check the files, load, warm up, serve. Returns at once. */
  start(held: Held): void {
    held.host = "starting";
    held.abort = new AbortController();
    this.#own(this.#start(held, held.abort.signal));
  }

  /** Takes the placement out of service, lets its requests end, ends its process. Returns at once. */
  stop(held: Held, graceMs: number): void {
    if (held.host === "starting") {
      held.host = "stopping";
      held.abort?.abort();
    } else if (held.host === "running" && held.process) {
      held.host = "stopping";
      this.#renewal.cancel(held, graceMs);
      this.#parts.serving.remove(held.spec.placementId);
      this.announceStop(held);
      this.#own(this.#stop(held, held.process, graceMs));
    }
  }

  /** Says that the placement takes no new requests, while those that it took go on. */
  announceStop(held: Held): void {
    if (held.state === "ready") this.#parts.placements.change(held, (machine) => machine.becomeDraining());
  }

  /** When every start and stop that is under way has ended. */
  async settled(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  async #start(held: Held, signal: AbortSignal): Promise<void> {
    const { placements, disk, hosts, serving, logger } = this.#parts;
    const { placementId, model, version, artifact } = held.spec;
    try {
      if (!held.isFresh) {
        // A byte that went bad on the disk is found here and not as a wrong answer.
        placements.change(held, (machine) => machine.becomeVerifying());
        if (!(await disk.verify(artifact))) return this.#damaged(held);
      }
      held.isFresh = false;
      const spec = await hostSpecOf(held.spec, this.#parts);
      if (signal.aborted) return placements.change(held, (machine) => machine.becomeStaged());
      placements.change(held, (machine) => machine.becomeLoading());
      const onPhase = (phase: "loading" | "warming"): void => {
        if (phase === "warming" && held.state === "loading")
          placements.change(held, (machine) => machine.becomeWarming());
      };
      const host = await hosts.start(spec, onPhase, signal);
      if (signal.aborted) {
        await host.stop(0);
        return placements.change(held, (machine) => machine.becomeStaged());
      }
      serving.serve(held.spec, host);
      this.#adopt(held, host);
      const { noBatchReason } = host;
      if (noBatchReason !== undefined)
        logger.info({ placementId, model, version, noBatchReason }, "runs are not shared");
      const measured = { rssMiB: Math.round(host.rssMiB()), warmUs: Math.round(host.warmUs) };
      placements.change(held, (machine) => machine.becomeReady(measured));
    } catch (error) {
      if (signal.aborted) placements.change(held, (machine) => machine.becomeStaged());
      else this.#startFailed(held, error);
    } finally {
      held.abort = undefined;
      if (held.process === undefined) held.host = "none";
    }
  }

  #adopt(held: Held, host: ModelHost): void {
    held.process = host;
    held.host = "running";
    void host.exited.then((exit) => this.#exited(held, host, exit));
    this.#renewal.watch(held, host);
  }

  #damaged(held: Held): void {
    const { placements, log, logger } = this.#parts;
    const { placementId, artifact } = held.spec;
    logger.error({ placementId, artifact }, "a stored model is damaged; its bad chunks are fetched again");
    log.add("error", `${nameOf(held)} is damaged on disk; its bad chunks are fetched again`);
    placements.change(held, (machine) => machine.becomeOffered());
  }

  #startFailed(held: Held, error: unknown): void {
    const { placements, clock, logger } = this.#parts;
    const code = isHostFailure(error) ? error.code : "LOAD_FAILED";
    const detail = messageOf(error);
    logger.warn({ placementId: held.spec.placementId, code, detail }, "a model host did not start");
    if (code === "HOST_CRASHED") return this.#crashed(held, { code, reason: detail });
    placements.fail(held, { code, detail, now: clock.now() });
  }

  async #stop(held: Held, host: ModelHost, graceMs: number): Promise<void> {
    await host.stop(graceMs);
    held.process = undefined;
    held.host = "none";
  }

  /** The process of a serving placement ended and nobody asked for it. */
  #exited(held: Held, host: ModelHost, exit: HostExit): void {
    if (held.process !== host || held.host !== "running") return;
    const { serving, placements, onSettled } = this.#parts;
    this.#renewal.cancel(held, DRAIN_MS);
    held.process = undefined;
    held.host = "none";
    serving.remove(held.spec.placementId);
    if (held.state === "draining") placements.change(held, (machine) => machine.becomeStaged());
    else this.#crashed(held, exit);
    onSettled();
  }

  #crashed(held: Held, { code, reason }: HostExit): void {
    const { placements, clock, random, logger, log } = this.#parts;
    const now = clock.now();
    const { history, next } = afterCrash(held.crashes, now, random);
    held.crashes = history;
    logger.warn({ placementId: held.spec.placementId, reason, crashes: history.length }, "a model host crashed");
    if (next.kind === "give-up") {
      log.add("error", `the model host of ${nameOf(held)} ended ${MAX_CRASHES} times within a minute: ${reason}`);
      return placements.fail(held, { code, detail: reason, now });
    }
    log.add("warn", `the model host of ${nameOf(held)} ended: ${reason}; it is started again`);
    held.notBefore = next.at;
    placements.change(held, (machine) => machine.becomeStaged());
  }

  #own(work: Promise<void>): void {
    const owned = work
      .catch((error: unknown) => this.#parts.logger.error({ error: messageOf(error) }, "a model host got lost"))
      .then(() => {
        this.#work.delete(owned);
        this.#parts.onSettled();
      });
    this.#work.add(owned);
  }
}

const nameOf = ({ spec }: Held): string => `${spec.model}:${spec.version}`;
