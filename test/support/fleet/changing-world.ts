import fc from "fast-check";
import type { DeploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import type { PlacementId } from "../../../shared/base/ids.ts";
import { PLACEMENT_STATES } from "../../../shared/protocol/placement.ts";
import { FleetState } from "../../../control-plane/core/fleet/fleet-state.ts";
import { reduce } from "../../../control-plane/core/fleet/reduce.ts";
import type {
  Fleet,
  FleetDeployment,
  FleetNode,
  FleetPlacement,
  FleetVersion,
} from "../../../control-plane/core/fleet/types.ts";
import type { ReplicaTargets } from "../../../control-plane/core/scaling/replica-targets.ts";
import type { Step } from "../../../control-plane/core/reconcile/steps.ts";
import { aDeployment, aFleetSession, aNode, aPlacement, aVersion, NOW } from "./fleet-builder.ts";

const NODES = 6;
const MODELS = ["digits", "faces", "signs"] as const;

/** How long a node has been silent, in ms: ready, suspect, lost. */
const SILENCES = [0, 0, 0, 20_000, 61_000] as const;
const index = fc.nat(100);

/** One thing that may happen to a fleet. Numbers choose among what is there. */
export const anyChange = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("executed" as const), isReady: fc.boolean() }) },
  fc.record({ kind: fc.constant("time" as const), ms: fc.constantFrom(1_000, 20_000, 16 * 60_000) }),
  fc.record({
    kind: fc.constant("node" as const),
    index,
    change: fc.constantFrom(
      "cordoned",
      "draining",
      "revoked",
      "label",
      "load",
      "zone",
      "kind",
      "name",
      "waiting",
      "gone",
    ),
  }),
  fc.record({ kind: fc.constant("silence" as const), index, ms: fc.constantFrom(...SILENCES), ofMost: fc.boolean() }),
  fc.record({
    kind: fc.constant("placement" as const),
    index,
    state: fc.constantFrom(...PLACEMENT_STATES, "ready", "deleted"),
  }),
  fc.record({
    kind: fc.constant("deployment" as const),
    index,
    change: fc.constantFrom("deleted", "paused", "every", "min", "max", "where", "residency", "version", "alias"),
    number: fc.integer({ min: 0, max: 3 }),
  }),
  fc.record({
    kind: fc.constant("version" as const),
    index,
    change: fc.constantFrom("archived", "damaged", "as it was"),
  }),
  fc.record({ kind: fc.constant("demand" as const), index, replicas: fc.nat(4) }),
  fc.record({ kind: fc.constant("alias" as const), index, version: fc.integer({ min: 1, max: 2 }) }),
);
type Change = typeof anyChange extends fc.Arbitrary<infer Value> ? Value : never;

/** A fleet of six nodes and three deployments to which anything may happen; rows are read again after each change. */
export class ChangingWorld {
  now = NOW;
  targets: ReplicaTargets = new Map();
  readonly #state = new FleetState();
  readonly #silentMs = new Map<string, number>();
  #nodes: readonly FleetNode[] = Array.from({ length: NODES }, (_, number) =>
    aNode(`edge-${number}`, { zone: `z${number % 2}`, labels: { gpu: String(number % 2 === 0) } }),
  );
  #deployments: readonly FleetDeployment[] = MODELS.map((model) =>
    aDeployment({
      name: model,
      model,
      version: 1,
      placement:
        model === "digits" ? { edge: { min: 2 } } : { edge: { every: true }, where: { matchLabels: { gpu: "true" } } },
    }),
  );
  #versions: readonly FleetVersion[] = MODELS.flatMap((model) => [aVersion(model, 1), aVersion(model, 2)]);
  #placements: readonly FleetPlacement[] = [];
  #aliases = MODELS.map((model) => ({ model: model as string, alias: "champion", version: 1 }));
  #lastId = 0;

  fleet(): Fleet {
    reduce(this.#state, {
      type: "rows-loaded",
      rows: {
        nodes: this.#nodes.map((node) => ({ ...node, session: this.#sessionOf(node) })),
        deployments: this.#deployments,
        versions: this.#versions,
        aliases: this.#aliases,
        placements: this.#placements,
      },
    });
    return this.#state.snapshot();
  }

  /** `steps`: of the newest plan, for the change that executes them. */
  happen(change: Change, steps: readonly Step[]): void {
    switch (change.kind) {
      case "executed":
        for (const step of steps) this.#execute(step, change.isReady ? "ready" : "offered");
        return;
      case "time":
        this.now += change.ms;
        return;
      case "node":
        return this.#changeNode(change);
      case "silence": {
        const first = change.index % this.#nodes.length;
        const silent = change.ofMost ? this.#nodes.toSpliced(first, 1) : this.#nodes.slice(first, first + 1);
        for (const { id } of silent) this.#silentMs.set(id, change.ms);
        return;
      }
      case "placement":
        return this.#changePlacement(change);
      case "deployment":
        return this.#changeDeployment(change);
      case "version":
        this.#versions = this.#versions.map((version, at) =>
          at === change.index % this.#versions.length ? changedVersion(version, change.change) : version,
        );
        return;
      case "demand": {
        const name = MODELS[change.index % MODELS.length] ?? "digits";
        this.targets = new Map(this.targets).set(name, { edge: change.replicas, cloud: 0 });
        return;
      }
      case "alias":
        this.#aliases = this.#aliases.map((alias, at) =>
          at === change.index % MODELS.length ? { ...alias, version: change.version } : alias,
        );
    }
  }

  #sessionOf({ id }: FleetNode) {
    const lastSeen = this.now - (this.#silentMs.get(id) ?? 0);
    return aFleetSession({ open: lastSeen === this.now, lastSeen, ownerSeen: this.now });
  }

  #changeNode({ index: at, change }: Extract<Change, { kind: "node" }>): void {
    const node = this.#nodes[at % Math.max(1, this.#nodes.length)];
    if (!node) return;
    if (change === "gone") {
      this.#nodes =
        this.#nodes.length > 3 ? this.#nodes.filter((each) => each !== node) : [...this.#nodes, this.#another()];
      return;
    }
    this.#nodes = this.#nodes.map((each) => (each === node ? changedNode(node, change) : each));
  }

  #another(): FleetNode {
    this.#lastId += 1;
    return aNode(`new-${this.#lastId}`, { labels: { gpu: "true" } });
  }

  #changePlacement({ index: at, state }: Extract<Change, { kind: "placement" }>): void {
    const placement = this.#placements[at % Math.max(1, this.#placements.length)];
    if (!placement) return;
    if (state === "deleted") this.#placements = this.#placements.filter((each) => each !== placement);
    else this.#replace(placement.id, { state });
  }

  #changeDeployment({ index: at, change, number }: Extract<Change, { kind: "deployment" }>): void {
    const model = MODELS[at % MODELS.length] ?? "digits";
    const deployment = this.#deployments.find(({ name }) => name === model);
    if (!deployment) {
      this.#deployments = [
        ...this.#deployments,
        aDeployment({ name: model, model, version: 1, placement: { edge: { min: number } } }),
      ];
      return;
    }
    if (change === "deleted") {
      this.#deployments = this.#deployments.filter((each) => each !== deployment);
      return;
    }
    const changed: FleetDeployment = {
      ...deployment,
      spec: changedSpec(deployment.spec, change, number),
      generation: deployment.generation + 1,
    };
    this.#deployments = this.#deployments.map((each) => (each === deployment ? changed : each));
  }

  #execute(step: Step, state: "ready" | "offered"): void {
    if (step.kind === "placement.create") {
      const node = this.#nodes.find(({ id }) => id === step.nodeId);
      if (!node) return;
      this.#lastId += 1;
      const { deployment, model, version } = step;
      const id = `p-${this.#lastId}` as PlacementId;
      const times = { decidedAt: this.now, stateSince: this.now };
      this.#placements = [...this.#placements, aPlacement(node, { id, deployment, model, version, state, ...times })];
    } else if (step.kind === "placement.remove") {
      this.#replace(step.placement.id, { wanted: "gone", ...(state === "ready" && { state: "gone" }) });
    } else if (step.kind === "placement.retry") {
      this.#replace(step.placement.id, { state });
    } else if (step.kind === "placement.delete") {
      this.#placements = this.#placements.filter(({ id }) => id !== step.placement.id);
    } else if (step.kind === "status.write") {
      const status = { observedGeneration: step.generation, findings: step.findings, at: this.now };
      this.#deployments = this.#deployments.map((each) => (each.name === step.deployment ? { ...each, status } : each));
    }
  }

  /** With another generation: what was known of the placement counts no more. */
  #replace(id: PlacementId, change: Partial<FleetPlacement>): void {
    this.#placements = this.#placements.map((each) =>
      each.id === id ? { ...each, stateSince: this.now, ...change, generation: each.generation + 1 } : each,
    );
  }
}

function changedNode(node: FleetNode, change: Exclude<Extract<Change, { kind: "node" }>["change"], "gone">): FleetNode {
  switch (change) {
    case "cordoned":
    case "draining":
    case "revoked":
      return { ...node, [change]: !node[change] };
    case "label":
      return { ...node, labels: { gpu: node.labels["gpu"] === "true" ? "false" : "true" } };
    case "load":
      return { ...node, load: node.load && { ...node.load, cpuPct: (node.load.cpuPct + 37) % 100 } };
    case "zone":
      return { ...node, zone: node.zone === "z0" ? "z1" : "z0" };
    case "kind":
      return { ...node, kind: node.kind === "edge" ? "cloud" : "edge" };
    case "name":
      return { ...node, name: node.name.startsWith("z") ? node.name.slice(1) : `z${node.name}` };
    case "waiting":
      return { ...node, waiting: node.waiting ? undefined : { until: NOW, from: "10.0.0.7", publicKey: "k" } };
  }
}

function changedSpec(
  spec: DeploymentSpec,
  change: Exclude<Extract<Change, { kind: "deployment" }>["change"], "deleted">,
  number: number,
): DeploymentSpec {
  const { placement } = spec;
  const { spec: other } = aDeployment({
    name: spec.name,
    model: spec.model,
    version: 1,
    placement: {
      edge: change === "every" ? { every: true } : { min: number, ...(change === "max" && { max: number + 2 }) },
      where: { matchLabels: { gpu: "true" } },
    },
  });
  switch (change) {
    case "paused":
      return { ...spec, paused: spec.paused !== true };
    case "every":
    case "min":
    case "max":
      return { ...spec, placement: { ...placement, edge: other.placement.edge } };
    case "where":
      return { ...spec, placement: { ...placement, where: other.placement.where } };
    case "residency":
      return { ...spec, placement: { ...placement, residency: number === 0 ? "cloud-only" : "any" } };
    case "version":
      return { ...spec, version: 1 + (number % 2) };
    case "alias":
      return { ...spec, version: "champion" };
  }
}

function changedVersion(version: FleetVersion, change: "archived" | "damaged" | "as it was"): FleetVersion {
  const whole = aVersion(version.model, version.version);
  if (change === "archived") return { ...whole, state: "archived" };
  return change === "damaged" ? { ...whole, damage: "a chunk is missing" } : whole;
}
