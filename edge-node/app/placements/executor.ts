import { sleep, type Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { DRAIN_MS } from "../../../shared/protocol/limits.ts";
import type { DesiredPlacement } from "../../../shared/protocol/messages/desired-placement.ts";
import type { LocalPlacement } from "../../core/placements/local-placement.ts";
import { describeStep, planLocal, type LocalPlan, type LocalStep } from "../../core/placements/local-plan.ts";
import { raisedFloors, whyNotTrusted, type TrustedKeys } from "../../core/placements/trust.ts";
import { previousAfter, stillRetained } from "../../core/placements/retention.ts";
import type { ArtifactDisk } from "../../ports/disk.ts";
import type { ModelHost } from "../../ports/model-hosts.ts";
import type { HostSupervisor } from "../hosts/host-supervisor.ts";
import type { LocalState } from "./local-state.ts";
import type { Placements } from "./placements.ts";
import type { RequestExecutor } from "../inference/request-executor.ts";

interface Parts {
  readonly memory: LocalState;
  readonly placements: Placements;
  readonly supervisor: HostSupervisor;
  readonly serving: RequestExecutor;
  readonly disk: ArtifactDisk;
  /** Undefined: the node takes versions that nobody signed. */
  readonly signingKeys?: TrustedKeys | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends transfers that no placement waits for: others are behind them, and their files may be about to go. */
  readonly cancelUnwantedTransfers: () => Promise<void>;
}

type Effects = {
  readonly [Kind in LocalStep["kind"]]: (
    step: Extract<LocalStep, { kind: Kind }>,
    context: { readonly complete: ReadonlySet<string> },
  ) => void;
};

/** How often a node that drains looks whether its last request has ended. */
const DRAIN_LOOK_MS = 20;
/** A disk that failed is looked at again after this. */
const DISK_RETRY_MS = 5_000;

/** Plans and acts until there is nothing to do, then waits for news. One plan at a time. */
export class Executor {
  readonly #parts: Parts;
  #isDirty = false;
  #isStopped = false;
  #running: Promise<void> | undefined;
  #cancelWake: () => void = () => undefined;
  #kept: string | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Something changed: plan soon. */
  trigger(): void {
    this.#isDirty = true;
    if (this.#isStopped) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#isDirty) this.trigger();
    });
  }

  /** When every step that can be taken now was taken. Hosts may still be on their way up. */
  async planned(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /** When nothing is left to do at once: all plans made, all hosts up or failed. */
  async idle(): Promise<void> {
    do {
      await this.planned();
      await this.#parts.supervisor.settled();
    } while (this.#running);
  }

  /** Deletes what is kept only for a way back. */
  async makeRoom(): Promise<void> {
    const { memory, disk } = this.#parts;
    await memory.update((old) => (old.previous.length === 0 ? old : { ...old, previous: [] }));
    await disk.collect(this.#keptWithoutRollback());
  }

  /** Artifacts that `makeRoom` would delete. */
  keptForRollback(): readonly string[] {
    const keep = this.#keptWithoutRollback();
    return this.#parts.memory.current.previous.filter((artifact) => !keep.has(artifact));
  }

  #keptWithoutRollback(): ReadonlySet<string> {
    const { memory, placements, clock } = this.#parts;
    const { desired, retained } = memory.current;
    const view = {
      desired,
      retained,
      previous: [],
      placements: placements.all(),
      complete: new Set<string>(),
      now: clock.now(),
    };
    return new Set(planLocal(view).keep);
  }

  /**
   * Plans no more, takes every placement out of service, lets the requests that were taken end for at most `graceMs`.
   * Resolves when the last model host has ended.
   */
  async stop(graceMs: number): Promise<void> {
    const { placements, supervisor, serving, clock } = this.#parts;
    this.#isStopped = true;
    this.#cancelWake();
    await this.#running;
    serving.drain();
    for (const placement of placements.all().values()) {
      const keptStreams = serving.keptStreams(placement.spec.placementId);
      if (placement.state === "ready") placement.becomeDraining({ keptStreams });
    }
    const until = clock.now() + graceMs;
    while (serving.load().rif > 0 && clock.now() < until) await sleep(clock, DRAIN_LOOK_MS);
    for (const placement of placements.all().values()) supervisor.stop(placement, Math.max(0, until - clock.now()));
    await supervisor.settled();
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#parts;
    while (this.#isDirty && !this.#isStopped) {
      this.#isDirty = false;
      try {
        await this.#once();
      } catch (error) {
        logger.error({ error: messageOf(error) }, "the node's disk could not be read or cleaned");
        this.#wakeAt(clock.now() + DISK_RETRY_MS);
      }
    }
  }

  async #once(): Promise<void> {
    const { memory, placements, disk, clock, logger } = this.#parts;
    await this.#raiseFloors();
    const complete = await disk.complete();
    const { desired, retained, previous } = memory.current;
    const plan = planLocal({ desired, retained, previous, placements: placements.all(), complete, now: clock.now() });
    for (const step of plan.steps) {
      logger.info({ step: describeStep(step) }, "next step");
      this.#perform(step, { complete });
    }
    if (plan.steps.length > 0) this.#isDirty = true; // a step may lead to the next one
    await this.#release(retained);
    await this.#parts.cancelUnwantedTransfers();
    await this.#clean(plan);
    this.#wakeAt(plan.wakeAt);
  }

  #perform(step: LocalStep, context: { readonly complete: ReadonlySet<string> }): void {
    const effect = this.#effects[step.kind] as (step: LocalStep, context: { complete: ReadonlySet<string> }) => void;
    effect(step, context);
  }

  readonly #effects: Effects = {
    adopt: ({ placement: spec }, { complete }) => {
      const { placements, supervisor } = this.#parts;
      const isHere = complete.has(spec.artifact);
      const placement = placements.all().get(spec.placementId);
      if (placement) placement.adopt(spec, { isHere });
      else placements.add(spec, { isHere });
      this.#judge(spec);
      if (placement) supervisor.limitsChanged(placement);
    },
    "await-transfer": ({ placement }) => {
      this.#find(placement)?.becomeOffered();
      this.#judge(placement);
    },
    stage: ({ placement }) => this.#find(placement)?.becomeStaged(),
    "start-host": ({ placement }) => {
      const found = this.#find(placement);
      if (found && this.#judge(placement)) this.#parts.supervisor.start(found);
    },
    "stop-host": ({ placement }) => {
      const found = this.#find(placement);
      if (found) this.#parts.supervisor.stop(found, DRAIN_MS);
    },
    forget: ({ placement }) => {
      this.#parts.serving.forget(placement.placementId);
      this.#find(placement)?.becomeGone();
    },
  };

  /**
   * Whether the node may hold and run what a placement asks for, by its keys. What it may not becomes `failed` before a byte
   * is fetched or a process started, and a host that runs it ends.
   */
  #judge(spec: DesiredPlacement): boolean {
    const { signingKeys: keys, memory, supervisor, clock, logger } = this.#parts;
    const found = this.#find(spec);
    if (keys === undefined || !found) return true;
    const why = whyNotTrusted(found.spec, { keys, floors: memory.current.floors ?? {} });
    if (why === undefined) {
      found.retryAfter("SIGNATURE_INVALID");
      return true;
    }
    logger.warn({ placement: spec.placementId, why }, "a version is not taken");
    if (found.hostState !== "none") supervisor.stop(found, DRAIN_MS);
    else if (found.state === "offered" || found.state === "staged")
      found.becomeFailed({ code: "SIGNATURE_INVALID", detail: why }, clock.now());
    return false;
  }

  /** Before anything else is taken up. Never rejects: a full disk must not keep the node from cleaning it. */
  async #raiseFloors(): Promise<void> {
    const { signingKeys: keys, memory, placements, logger } = this.#parts;
    if (keys === undefined) return;
    const serving = [...placements.all().values()].filter(({ state }) => state === "ready").map(({ spec }) => spec);
    await memory
      .update((old) => {
        const before = old.floors ?? {};
        const floors = raisedFloors(before, serving, keys);
        return floors === before ? old : { ...old, floors };
      })
      .catch((error: unknown) =>
        logger.warn({ error: messageOf(error) }, "the oldest release that is taken could not be written"),
      );
  }

  #find({ placementId }: DesiredPlacement): LocalPlacement<ModelHost> | undefined {
    return this.#parts.placements.all().get(placementId);
  }

  /** Placements that were kept until their successor was ready are forgotten on the disk too, once it is. */
  async #release(retained: ReturnType<typeof stillRetained>): Promise<void> {
    const { memory, placements } = this.#parts;
    if (stillRetained(retained, memory.current.desired, placements.ready()).length === retained.length) return;
    await memory.update((old) => {
      const kept = stillRetained(old.retained, old.desired, placements.ready());
      const wanted = [...old.desired.placements, ...old.retained];
      const previous = previousAfter({ wanted, previous: old.previous }, [...old.desired.placements, ...kept]);
      return { ...old, retained: kept, previous };
    });
    this.#isDirty = true;
  }

  /** Deletes what nobody needs, when that changed since the last time. */
  async #clean({ keep }: LocalPlan): Promise<void> {
    const { disk } = this.#parts;
    const key = keep.join();
    if (key === this.#kept) return;
    await disk.collect(new Set(keep));
    this.#kept = key;
  }

  #wakeAt(at: number | undefined): void {
    this.#cancelWake();
    if (at === undefined) return;
    this.#cancelWake = this.#parts.clock.after(Math.max(0, at - this.#parts.clock.now()), () => this.trigger());
  }
}
