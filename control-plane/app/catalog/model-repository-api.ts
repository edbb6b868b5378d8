import { isServing } from "../../core/fleet/queries.ts";
import type { DeploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import { deploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import { sleep, type Clock } from "../../../shared/base/clock.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { nodeState, type NodeTimings } from "../../core/fleet/node-status.ts";
import type { Fleet, FleetDeployment, FleetPlacement } from "../../core/fleet/types.ts";
import type { Actor } from "../../ports/access/audit.ts";
import type { DeploymentAdmin } from "../deployments/deployment-admin.ts";
import type { FleetReader } from "../fleet/fleet-reader.ts";

/** How often the fleet in memory is looked at while somebody waits. */
const LOOK_MS = 50;

interface Parts {
  readonly deployments: Pick<DeploymentAdmin, "put" | "get" | "rowVersion">;
  readonly fleet: FleetReader;
  readonly timings: NodeTimings;
  readonly clock: Clock;
}

interface Replicas {
  readonly edge: number;
  readonly cloud: number;
}

interface Change {
  readonly actor: Actor;
  readonly timeoutMs: number;
  /** Aborted when the caller goes away; what was declared stays declared. */
  readonly signal: AbortSignal;
}

/**
 * The Open Inference Protocol's `load` and `unload`, as what they mean here: a deployment that asks for replicas, and one
 * that is paused. Both declare and then wait, for at most the caller's time, until the fleet is so.
 */
export class ModelRepositoryApi {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Ends the pause of the model's deployments, makes sure that one asks for a replica, and waits for a ready one. Throws `NOT_FOUND` for the
   * model, `CONFLICT` when its name is taken by another model's deployment, `STALE_ETAG` when somebody changes the
   * deployment at the same moment, `MODEL_NOT_READY` with the reason when none becomes ready in time.
   */
  async load(model: string, change: Change): Promise<void> {
    const deadline = this.#parts.clock.now() + change.timeoutMs;
    const fleet = this.#parts.fleet.snapshot();
    const latest = latestVersion(fleet, model);
    const deployments = deploymentsOf(fleet, model);
    for (const { name, spec } of deployments)
      if (spec.paused === true) await this.#change(name, withoutPause, change.actor);
    const asking = deployments.find(({ spec }) => asksForReplica(withoutPause(spec)));
    const name = asking?.name ?? (await this.#askForOne(model, latest, deployments, change.actor));
    for (;;) {
      const now = this.#parts.fleet.snapshot();
      const placements = [...now.placements.values()].filter(
        ({ deployment, wanted }) => deployment === name && wanted === "serve",
      );
      if (placements.some((placement) => this.#isServing(now, placement))) return;
      const hasFailed = placements.length > 0 && placements.every(({ state }) => state === "failed");
      if (hasFailed || this.#parts.clock.now() >= deadline) throw this.#notReady(model, name, placements);
      await this.#pause(change.signal);
    }
  }

  /**
   * Pauses the model's deployments, whose replica counts stay declared, and waits until their placements have drained. Throws
   * `NOT_FOUND`, `STALE_ETAG`, and `DEADLINE_EXCEEDED` while one still drains: it goes on.
   */
  async unload(model: string, change: Change): Promise<void> {
    const deadline = this.#parts.clock.now() + change.timeoutMs;
    latestVersion(this.#parts.fleet.snapshot(), model);
    for (const { name, spec } of deploymentsOf(this.#parts.fleet.snapshot(), model)) {
      if (asksForReplica(spec)) await this.#change(name, (is) => ({ ...is, paused: true }), change.actor);
    }
    for (;;) {
      const fleet = this.#parts.fleet.snapshot();
      const left = [...fleet.placements.values()].filter(
        (placement) => placement.model === model && placement.state !== "gone" && this.#isReachable(fleet, placement),
      );
      if (left.length === 0) return;
      if (this.#parts.clock.now() >= deadline) {
        const nodes = left.map(({ nodeId }) => fleet.nodes.get(nodeId)?.name ?? nodeId).join(", ");
        throw new SkerryError("DEADLINE_EXCEEDED", `${model} still drains on ${nodes}, and goes on doing so`);
      }
      await this.#pause(change.signal);
    }
  }

  /** Declares one replica and returns the deployment's name. */
  async #askForOne(
    model: string,
    version: number,
    deployments: readonly FleetDeployment[],
    actor: Actor,
  ): Promise<string> {
    const fleet = this.#parts.fleet.snapshot();
    const mine = deployments.find(({ name }) => name === model) ?? deployments[0];
    if (mine === undefined && fleet.deployments.has(model)) {
      throw new SkerryError(
        "CONFLICT",
        `${model} has no deployment, and the name is taken by one of another model; declare one with \`skerry apply\``,
      );
    }
    if (mine === undefined) {
      const placement = { placement: hasEdge(fleet) ? { edge: { min: 1 } } : { cloud: { min: 1 } } };
      await this.#parts.deployments.put(deploymentSpec.parse({ name: model, model, version, ...placement }), {
        actor,
        ifMatch: undefined,
      });
      return model;
    }
    const { residency } = mine.spec.placement;
    const isCloud = residency === "cloud-only" || (residency === "any" && !hasEdge(fleet));
    const count = isCloud ? { edge: 0, cloud: 1 } : { edge: 1, cloud: 0 };
    await this.#change(mine.name, (spec) => withReplicas(spec, count), actor);
    return mine.name;
  }

  /** The row's version is read before its spec, so that a change in between is refused and not overwritten. */
  async #change(name: string, change: (spec: DeploymentSpec) => DeploymentSpec, actor: Actor): Promise<void> {
    const ifMatch = (await this.#parts.deployments.rowVersion(name)) ?? undefined;
    await this.#parts.fleet.refresh({ deployments: [name] });
    const deployment = this.#parts.fleet.snapshot().deployments.get(name);
    if (deployment === undefined) return; // deleted meanwhile
    await this.#parts.deployments.put(change(deployment.spec), { actor, ifMatch });
  }

  /** Throws `CANCELLED` when the caller goes away. */
  async #pause(signal: AbortSignal): Promise<void> {
    await sleep(this.#parts.clock, LOOK_MS, signal).catch((cause: unknown) => {
      throw new SkerryError("CANCELLED", "the caller went away", { cause });
    });
  }

  /** A node that is away neither serves nor drains, and nobody can wait for it. */
  #isReachable(fleet: Fleet, { nodeId }: FleetPlacement): boolean {
    const node = fleet.nodes.get(nodeId);
    return node !== undefined && nodeState(node, this.#parts.fleet.now(), this.#parts.timings) === "ready";
  }

  #isServing(fleet: Fleet, placement: FleetPlacement): boolean {
    return isServing(fleet, placement, { now: this.#parts.fleet.now(), timings: this.#parts.timings });
  }

  #notReady(model: string, deployment: string, placements: readonly FleetPlacement[]): SkerryError {
    const states = placements.map(({ state, failure }) =>
      failure === undefined ? `one is ${state}` : `one failed (${failure.code}: ${failure.detail})`,
    );
    const { unplaced } = this.#parts.deployments.get(deployment).status;
    const why = [...states, ...unplaced].join("; ") || "none is placed yet";
    return new SkerryError("MODEL_NOT_READY", `${model} is declared by deployment ${deployment} and not ready: ${why}`);
  }
}

/** Throws `NOT_FOUND`. */
function latestVersion(fleet: Fleet, model: string): number {
  const versions = [...fleet.versions.values()].filter(
    (version) => version.model === model && version.state === "ready",
  );
  if (versions.length === 0)
    throw new SkerryError("NOT_FOUND", `model ${model} is not known here; GET /v2/models lists the models`);
  return Math.max(...versions.map(({ version }) => version));
}

/** Oldest first, as the router looks at them. */
const deploymentsOf = (fleet: Fleet, model: string): readonly FleetDeployment[] =>
  [...fleet.deployments.values()]
    .filter(({ spec }) => spec.model === model)
    .toSorted((a, b) => a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1));

const asksForReplica = ({ paused, placement: { edge, cloud } }: DeploymentSpec): boolean =>
  paused !== true && (edge.every || cloud.every || edge.min > 0 || cloud.min > 0);

function withoutPause({ paused: _paused, ...spec }: DeploymentSpec): DeploymentSpec {
  return spec;
}

function withReplicas(spec: DeploymentSpec, count: Replicas): DeploymentSpec {
  const { edge, cloud } = spec.placement;
  return {
    ...spec,
    placement: {
      ...spec.placement,
      edge: { ...edge, min: count.edge, every: false },
      cloud: { ...cloud, min: count.cloud, every: false },
    },
  };
}

const hasEdge = (fleet: Fleet): boolean =>
  fleet.nodes.values().some(({ kind, revoked, waiting }) => kind === "edge" && !revoked && !waiting);
