import { toInstant } from "../../../shared/api/v1/common.ts";
import type { Rollout, RolloutAction } from "../../../shared/api/v1/rollouts/rollouts.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { versionOf } from "../../core/fleet/queries.ts";
import type { FleetDeployment, FleetRollout } from "../../core/fleet/types.ts";
import { act } from "../../core/rollout/act.ts";
import type { Author } from "../../core/rollout/change.ts";
import { factsOf, type RolloutFacts } from "../../core/rollout/facts.ts";
import type { Declared } from "../../core/rollout/start.ts";
import type { Actor } from "../../ports/access/audit.ts";
import type { RolloutWrite } from "../../ports/plan.ts";
import type { RolloutStore } from "../../ports/rollouts/rollouts.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";

/** The control loop writes rollouts too: an action is decided again on what it wrote, so often. */
const ATTEMPTS = 5;

/** What operators see of rollouts and do with them. The control loop carries them on. */
export class RolloutAdmin {
  readonly #store: RolloutStore;
  readonly #fleet: Pick<FleetCache, "snapshot" | "refresh">;
  readonly #clock: Clock;
  readonly #onRollout: (facts: RolloutFacts) => void;

  constructor(parts: {
    store: RolloutStore;
    fleet: Pick<FleetCache, "snapshot" | "refresh">;
    clock: Clock;
    /** Called with what an action changed, for the metrics. */
    onRollout: (facts: RolloutFacts) => void;
  }) {
    this.#onRollout = parts.onRollout;
    this.#store = parts.store;
    this.#fleet = parts.fleet;
    this.#clock = parts.clock;
  }

  /** The newest rollout of a deployment. Throws `NOT_FOUND`, also when it had none. */
  get(deployment: string): Rollout {
    return toRolloutDto(deployment, this.#find(deployment).rollout);
  }

  /** The newest rollout of each deployment that had one. */
  list(): Rollout[] {
    return [...this.#fleet.snapshot().deployments.values()].flatMap(({ name, rollout }) =>
      rollout ? [toRolloutDto(name, rollout)] : [],
    );
  }

  /** The rollouts of a deployment, newest first. Throws `NOT_FOUND`, `DATABASE_UNAVAILABLE`. */
  async history(deployment: string): Promise<readonly Rollout[]> {
    const rows = await this.#store.history(this.#find(deployment).deployment.name);
    return rows.map(({ record, ...row }) => ({ deployment, ...record, ...row }));
  }

  /**
   * Pauses, resumes, approves, promotes, aborts or undoes the newest rollout; `why`: what the actor says of it. Throws `NOT_FOUND`, and `CONFLICT` when the rollout is in no
   * phase for that, or the version that it would go to is gone.
   */
  async act(
    deployment: string,
    { action, why }: { readonly action: RolloutAction; readonly why?: string | undefined },
    actor: Actor,
  ): Promise<Rollout> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const found = this.#find(deployment);
      const { write, facts } = this.#decide(found, action, { who: actor.name, why });
      const isWritten = await this.#store.act(write, { action, why, actor });
      await this.#fleet.refresh({ deployments: [deployment] });
      if (isWritten) {
        this.#onRollout(facts);
        return this.get(deployment);
      }
    }
    throw new SkerryError("CONFLICT", `the rollout of ${deployment} changes all the time; try again`);
  }

  #decide(
    { deployment, rollout }: Found,
    action: RolloutAction,
    by: Omit<Author, "at">,
  ): { write: RolloutWrite; facts: RolloutFacts } {
    const at = toInstant(this.#clock.wallNow());
    const outcome = act(deployment, rollout.record, { action, author: { ...by, at } });
    if ("refused" in outcome) throw new SkerryError("CONFLICT", outcome.refused);
    this.#requireVersion(outcome);
    const { name, generation } = deployment;
    const { newest, next } = outcome;
    const before = { record: rollout.record, phaseMs: this.#clock.now() - rollout.phaseSince };
    const write = {
      deployment: name,
      generation,
      before: { number: rollout.number, revision: rollout.revision, nodes: rollout.record.nodes },
      newest: newest?.record,
      next: next?.record,
      events: [newest, next].flatMap((change) =>
        (change?.events ?? []).map((event) => ({ ...event, object: `deployment/${name}` })),
      ),
    };
    return { write, facts: factsOf(name, { before, newest, next }) };
  }

  #requireVersion({ next }: Declared): void {
    if (!next) return;
    const { model, to } = next.record;
    if (versionOf(this.#fleet.snapshot(), model, to)?.state !== "ready")
      throw new SkerryError("CONFLICT", `${model}:${to} is not there any more`);
  }

  #find(name: string): Found {
    const deployment = this.#fleet.snapshot().deployments.get(name);
    if (!deployment) throw new SkerryError("NOT_FOUND", `there is no deployment ${name}`);
    if (!deployment.rollout) throw new SkerryError("NOT_FOUND", `the deployment ${name} has had no rollout`);
    return { deployment, rollout: deployment.rollout };
  }
}

interface Found {
  readonly deployment: FleetDeployment;
  readonly rollout: FleetRollout;
}

const toRolloutDto = (deployment: string, { number, record, beganAt, phaseAt, endedAt }: FleetRollout): Rollout => ({
  deployment,
  number,
  ...record,
  beganAt: toInstant(beganAt),
  phaseAt: toInstant(phaseAt),
  endedAt: endedAt === undefined ? null : toInstant(endedAt),
});
