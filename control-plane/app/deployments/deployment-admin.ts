import type { Deployment } from "../../../shared/api/v1/deployments/deployments.ts";
import type { DeploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import type { Placement } from "../../../shared/api/v1/deployments/placements.ts";
import type { ExplainResponse } from "../../../shared/api/v1/deployments/explain.ts";
import type { Endpoint } from "../../../shared/api/v1/inference.ts";
import type { PlanRequest, PlanResponse } from "../../../shared/api/v1/deployments/plan.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { isSkerryError, SkerryError } from "../../../shared/base/errors.ts";
import type { NodeTimings } from "../../core/fleet/node-status.ts";
import { placementsOfDeployment } from "../../core/fleet/queries.ts";
import type { FleetDeployment } from "../../core/fleet/types.ts";
import type { PlanContext } from "../../core/scheduling/context.ts";
import type { DeploymentStore } from "../../ports/catalog/catalog.ts";
import type { Actor } from "../../ports/access/audit.ts";
import type { CascadeSpec } from "../../../shared/api/v1/deployments/cascade-spec.ts";
import type { CascadeState } from "../inference/cascade/cascades.ts";
import { refuseCascade } from "./cascade-view.ts";
import { endpointsOf } from "./deployment-endpoints.ts";
import { toDeploymentDto } from "./deployment-dto.ts";
import { refuseImpossibleSharing } from "./impossible-sharing.ts";
import { refuseMissingVariant } from "./missing-variant.ts";
import { explainDeployment, type ExplainQuestion } from "./explain-deployment.ts";
import { answerPlan } from "./plan-question.ts";
import type { FleetReader } from "../fleet/fleet-reader.ts";
import { expectedVersion, type IfMatch, type IfMatchOrNew } from "./if-match.ts";
import { toPlacementDto } from "./placement-dto.ts";

interface Change<Condition = IfMatch> {
  readonly actor: Actor;
  readonly ifMatch: Condition;
}

/** Plans for callers that are made at once: each may use a core for seconds. */
const MAX_QUESTIONS = 2;

/** Desired state: declared here, carried out by the leader's control loop. Reads come from memory, writes go to Postgres. */
export class DeploymentAdmin {
  readonly #store: DeploymentStore;
  readonly #fleet: FleetReader;
  readonly #clock: Clock;
  readonly #timings: NodeTimings;
  readonly #publicUrl: string;
  readonly #hops: () => Promise<PlanContext["hops"]>;
  readonly #cascadeState: (deployment: string, spec: CascadeSpec) => CascadeState;
  /** Plans that are being made for callers. */
  #questions = 0;

  constructor(parts: {
    store: DeploymentStore;
    fleet: FleetReader;
    clock: Clock;
    timings: NodeTimings;
    publicUrl: string;
    cascadeState: (deployment: string, spec: CascadeSpec) => CascadeState;
    /** What requests for deployments lose between control planes. Throws `DATABASE_UNAVAILABLE`. */
    hops: () => Promise<PlanContext["hops"]>;
  }) {
    this.#cascadeState = parts.cascadeState;
    this.#hops = parts.hops;
    this.#store = parts.store;
    this.#fleet = parts.fleet;
    this.#clock = parts.clock;
    this.#timings = parts.timings;
    this.#publicUrl = parts.publicUrl;
  }

  list(): Deployment[] {
    const fleet = this.#fleet.snapshot();
    const time = this.#time();
    return [...fleet.deployments.values()].map((deployment) => toDeploymentDto(fleet, deployment, time));
  }

  /** Throws `NOT_FOUND`. */
  get(name: string): Deployment {
    return this.#view(this.#find(name));
  }

  /** The model of a deployment; undefined: there is no such deployment. */
  modelOf(name: string): string | undefined {
    return this.#fleet.snapshot().deployments.get(name)?.spec.model;
  }

  /** For the ETag; null while Postgres does not answer, because a deployment can be looked at without it. */
  async rowVersion(name: string): Promise<number | null> {
    try {
      return await this.#store.rowVersion(name);
    } catch (error) {
      if (isSkerryError(error) && error.code === "DATABASE_UNAVAILABLE") return null;
      throw error;
    }
  }

  /**
   * Creates or replaces. The status is about an older generation until the leader has planned. Throws `NOT_FOUND` for the
   * model, `INVALID_REQUEST` for a cascade that it can have none of, `STALE_ETAG`, `CANNOT_SHARE_HOST`.
   */
  async put(
    spec: DeploymentSpec,
    { actor, ifMatch }: Change<IfMatchOrNew>,
  ): Promise<{ created: boolean; rowVersion: number; deployment: Deployment }> {
    refuseCascade(this.#fleet.snapshot(), spec);
    const expected = await expectedVersion(ifMatch, `deployment ${spec.name}`, () => this.#store.rowVersion(spec.name));
    refuseImpossibleSharing(this.#fleet.snapshot(), spec);
    refuseMissingVariant(this.#fleet.snapshot(), spec);
    const { created, generation, rowVersion } = await this.#store.put(spec, { actor, ifMatch: expected });
    await this.#fleet.refresh({ deployments: [spec.name] });
    const known = this.#fleet.snapshot().deployments.get(spec.name);
    // The fleet may be behind (a failed read): then the answer is what was declared, with a status to come.
    const declared = {
      name: spec.name,
      spec,
      generation,
      createdAt: known?.createdAt ?? this.#clock.wallNow(),
      kubernetesNamespace: actor.kubernetesNamespace,
      status: known?.status,
      rollout: known?.rollout,
    };
    return { created, rowVersion, deployment: this.#view(known && known.generation >= generation ? known : declared) };
  }

  /** Throws `NOT_FOUND`, `STALE_ETAG`. */
  async delete(name: string, { actor, ifMatch }: Change): Promise<void> {
    const expected = await expectedVersion(ifMatch, `deployment ${name}`, () => this.#store.rowVersion(name));
    await this.#store.delete(name, { actor, ifMatch: expected });
    await this.#fleet.refresh();
  }

  /** Tries its failed placements again at once, whatever made them fail. Throws `NOT_FOUND`. */
  async retry(name: string, actor: Actor): Promise<{ readonly retried: number }> {
    const retried = await this.#store.retry(name, actor);
    await this.#fleet.refresh();
    return { retried };
  }

  /** Throws `NOT_FOUND`. */
  placements(name: string): Placement[] {
    this.#find(name);
    return placementsOfDeployment(this.#fleet.snapshot(), name).map((placement) => this.#placement(placement));
  }

  /** Which nodes answer for it on their own address. Throws `NOT_FOUND`. */
  endpoints(name: string): Endpoint[] {
    return endpointsOf(this.#fleet.snapshot(), this.#find(name), { now: this.#fleet.now(), timings: this.#timings });
  }

  /** All placements, or those with these ids. */
  allPlacements(ids?: ReadonlySet<string>): Placement[] {
    const { placements } = this.#fleet.snapshot();
    const chosen = ids ? [...ids].flatMap((id) => placements.get(id) ?? []) : [...placements.values()];
    return chosen.map((placement) => this.#placement(placement));
  }

  /** Where a version runs, whichever deployment wants it there. */
  placementsOfVersion(model: string, version: number): Placement[] {
    return [...this.#fleet.snapshot().placements.values()]
      .filter((placement) => placement.model === model && placement.version === version)
      .map((placement) => this.#placement(placement));
  }

  /** Why here, what would be decided now and, for one node or all, why not there. Throws `NOT_FOUND` for the deployment or the node. */
  async explain(name: string, question: ExplainQuestion): Promise<ExplainResponse> {
    const deployment = this.#find(name);
    const { cascade: declared } = deployment.spec;
    const cascade = declared && this.#cascadeState(name, declared);
    const context = await this.#context("explain");
    return explainDeployment(this.#fleet.snapshot(), deployment, { ...context, ...question, cascade });
  }

  /**
   * What would be placed and moved if the changes were made, now. Applies nothing. Throws `INVALID_REQUEST` for names of what
   * is not there, and `RATE_LIMITED` while as many questions as may be are being answered.
   */
  async plan(question: PlanRequest): Promise<PlanResponse> {
    if (this.#questions >= MAX_QUESTIONS)
      throw new SkerryError("RATE_LIMITED", "this control plane answers two plans already; ask again in a second");
    this.#questions += 1;
    try {
      const began = this.#clock.now();
      const elapsedMs = () => this.#clock.now() - began;
      const pause = () => new Promise<void>((resolve) => this.#clock.after(0, resolve));
      const context = await this.#context("what-if");
      return await answerPlan(this.#fleet.snapshot(), question, { ...context, elapsedMs, pause });
    } finally {
      this.#questions -= 1;
    }
  }

  /** While Postgres is away the ways between control planes are taken for none: a question is answered all the same. */
  async #context(trigger: string): Promise<PlanContext> {
    const hops = await this.#hops().catch((error: unknown) => {
      if (isSkerryError(error) && error.code === "DATABASE_UNAVAILABLE") return undefined;
      throw error;
    });
    return { now: this.#fleet.now(), timings: this.#timings, trigger, ...(hops && { hops }) };
  }

  #time() {
    return {
      now: this.#fleet.now(),
      wallNow: this.#clock.wallNow(),
      publicUrl: this.#publicUrl,
      timings: this.#timings,
    };
  }

  #find(name: string): FleetDeployment {
    const deployment = this.#fleet.snapshot().deployments.get(name);
    if (!deployment) throw new SkerryError("NOT_FOUND", `there is no deployment ${name}`);
    return deployment;
  }

  #view(deployment: FleetDeployment): Deployment {
    return toDeploymentDto(this.#fleet.snapshot(), deployment, this.#time());
  }

  #placement(placement: Parameters<typeof toPlacementDto>[1]): Placement {
    return toPlacementDto(this.#fleet.snapshot(), placement, { now: this.#fleet.now(), timings: this.#timings });
  }
}
