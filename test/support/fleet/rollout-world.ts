import { factsOf, type RolloutFacts } from "../../../control-plane/core/rollout/facts.ts";
import { toInstant } from "../../../shared/api/v1/common.ts";
import type { NodeKind } from "../../../shared/api/v1/nodes/nodes.ts";
import type { z } from "zod";
import type { rolloutSpec } from "../../../shared/api/v1/rollouts/rollout-spec.ts";
import type { RolloutAction, RolloutRecord } from "../../../shared/api/v1/rollouts/rollouts.ts";
import type { DeploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import type { PlacementId } from "../../../shared/base/ids.ts";
import type {
  Disconnects,
  Fleet,
  FleetDeployment,
  FleetPlacement,
  FleetRollout,
} from "../../../control-plane/core/fleet/types.ts";
import { sharesOf } from "../../../control-plane/core/fleet/versions/versions.ts";
import { planFleet } from "../../../control-plane/core/reconcile/plan.ts";
import type { Step } from "../../../control-plane/core/reconcile/steps.ts";
import { act } from "../../../control-plane/core/rollout/act.ts";
import type { Verdict } from "../../../control-plane/core/rollout/judged.ts";
import { isTurn, rolloutSteps } from "../../../control-plane/core/rollout/rollout-steps.ts";
import { diskHeldOn, heldOn } from "../../../control-plane/core/scheduling/planning/held.ts";
import { aDeployment, aFleet, aFleetSession, aNode, aPlacement, aVersion, NOW, TIMINGS } from "./fleet-builder.ts";

interface WorldNode {
  readonly name: string;
  readonly kind?: NodeKind;
  readonly zone?: string;
  readonly memMiB?: number;
}

/** Six edge nodes in two zones, and two cloud nodes. */
export const EIGHT_NODES: readonly WorldNode[] = [
  ...["a", "b", "c", "d", "e", "f"].map((name, at) => ({ name: `edge-${name}`, zone: `z${at % 2}` })),
  ...["a", "b"].map((name) => ({ name: `cloud-${name}`, kind: "cloud" as const, zone: "cloud" })),
];

type RolloutInput = z.input<typeof rolloutSpec>;

/** What the leader writes in one run, of which a prefix may be all that happens. */
type WorldStep = Step<
  "rollout.write" | "placement.create" | "placement.remove" | "placement.delete" | "placement.retry"
>;

/** Nodes, one deployment with rollouts, and control planes whose steps are carried out one by one. */
export class RolloutWorld {
  now = NOW;
  /** Messages of rollouts' events, with their reasons. */
  readonly events: string[] = [];
  /** Names of nodes, by the version that does not load there. */
  readonly broken = new Map<number, ReadonlySet<string>>();
  /** How often connections of nodes broke, by their names. */
  readonly disconnects = new Map<string, Disconnects>();
  verdict: Verdict | undefined;
  /** Looks at each record that is written, and at the one before it of the same rollout. */
  onRecord: (before: RolloutRecord | undefined, after: RolloutRecord) => void = () => undefined;
  /** What is counted of each record that was written. */
  readonly facts: RolloutFacts[] = [];
  readonly #nodes: readonly WorldNode[];
  readonly #silentSince = new Map<string, number>();
  #deployment: FleetDeployment;
  #rollouts: readonly FleetRollout[] = [];
  #placements: readonly FleetPlacement[] = [];
  #lastId = 0;

  constructor(rollout: RolloutInput = {}, nodes: readonly WorldNode[] = EIGHT_NODES) {
    this.#nodes = nodes;
    this.#deployment = aDeployment({
      name: "digits",
      model: "digits",
      version: 1,
      placement: { edge: { every: true }, cloud: { every: true }, spread: "none" },
      rollout: { bakeSeconds: 10, ...rollout },
    });
  }

  declare(change: Partial<DeploymentSpec>): void {
    const { spec, generation } = this.#deployment;
    this.#deployment = { ...this.#deployment, spec: { ...spec, ...change }, generation: generation + 1 };
  }

  get deployment(): FleetDeployment {
    return { ...this.#deployment, rollout: this.#rollouts.at(-1) };
  }

  get rollout(): RolloutRecord | undefined {
    return this.#rollouts.at(-1)?.record;
  }

  get history(): readonly RolloutRecord[] {
    return this.#rollouts.map(({ record }) => record);
  }

  fleet(): Fleet {
    return aFleet({
      nodes: this.#nodes.map(({ name, kind = "edge", zone = "a", memMiB }) => {
        const node = aNode(name, { kind, zone });
        const lastSeen = this.#silentSince.get(name) ?? this.now;
        const disconnects = this.disconnects.get(name);
        const session = aFleetSession({ open: lastSeen === this.now, lastSeen, ownerSeen: this.now, disconnects });
        const capabilities = node.capabilities && { ...node.capabilities, memMiB: memMiB ?? 8_192 };
        return { ...node, session, capabilities };
      }),
      deployments: [this.deployment],
      versions: [1, 2, 3].map((version) => aVersion("digits", version)),
      placements: this.#placements,
    });
  }

  /** The steps of one run of the control loop. */
  steps(): readonly WorldStep[] {
    const fleet = this.fleet();
    const context = { now: this.now, timings: TIMINGS, trigger: "test" };
    const rollouts = rolloutSteps(fleet, { ...context, at: toInstant(this.now), verdictOf: () => this.verdict });
    const turns = rollouts.filter(isTurn);
    return turns.length > 0 ? turns : [...rollouts, ...planFleet(fleet, context).steps];
  }

  execute(step: WorldStep): void {
    if (step.kind === "rollout.write") this.#write(step);
    else if (step.kind === "placement.create") this.#create(step);
    else if (step.kind === "placement.remove") this.#change(step.placement.id, { wanted: "gone" });
    else if (step.kind === "placement.retry") this.#change(step.placement.id, { state: "offered", failure: undefined });
    else this.#placements = this.#placements.filter(({ id }) => id !== step.placement.id);
  }

  #write({ before, newest, next }: Step<"rollout.write">): void {
    const present = this.#rollouts.at(-1);
    if (present?.number !== before?.number || present?.revision !== before?.revision)
      throw new Error("another revision");
    if (newest) this.onRecord(present?.record, newest.record);
    if (next) this.onRecord(undefined, next.record);
    const was = present && { record: present.record, phaseMs: this.now - present.phaseSince };
    this.facts.push(factsOf("digits", { before: was, newest, next }));
    if (newest && present) {
      const { phase, wave } = present.record;
      const isNewPhase = phase !== newest.record.phase || wave !== newest.record.wave;
      const phaseSince = isNewPhase ? this.now : present.phaseSince;
      const after = { ...present, revision: present.revision + 1, record: newest.record, phaseSince };
      this.#rollouts = [...this.#rollouts.slice(0, -1), after];
    }
    if (next) {
      const times = { phaseSince: this.now, beganAt: 0, phaseAt: 0, endedAt: undefined };
      const number = this.#rollouts.length + 1;
      this.#rollouts = [...this.#rollouts, { number, revision: 1, record: next.record, ...times }];
    }
    for (const { reason, message } of [...(newest?.events ?? []), ...(next?.events ?? [])])
      this.events.push(`${reason}: ${message}`);
  }

  #create({ nodeId, version }: Step<"placement.create">): void {
    const node = this.fleet().nodes.get(nodeId);
    if (!node) throw new Error(`no node ${nodeId}`);
    this.#lastId += 1;
    const id = `p-${this.#lastId}` as PlacementId;
    const times = { decidedAt: this.now, stateSince: this.now };
    this.#placements = [...this.#placements, aPlacement(node, { id, version, state: "offered", ...times })];
  }

  act(action: RolloutAction, who = "ana", why?: string): string | undefined {
    const record = this.rollout;
    if (!record) return "there is no rollout";
    const outcome = act(this.deployment, record, { action, author: { who, why, at: toInstant(this.now) } });
    if ("refused" in outcome) return outcome.refused;
    this.#write({
      kind: "rollout.write",
      deployment: "digits",
      generation: this.#deployment.generation,
      before: this.#rollouts.at(-1),
      ...outcome,
    });
    return undefined;
  }

  /** What its nodes do next, each one thing. Returns whether one did anything. */
  work(most = Infinity): boolean {
    let done = 0;
    for (const placement of this.#placements) {
      if (done >= most) break;
      const next = this.#nextState(placement);
      if (!next) continue;
      this.#change(placement.id, next);
      done += 1;
    }
    return done > 0;
  }

  #nextState({ id, nodeId, state, wanted, version }: FleetPlacement): Partial<FleetPlacement> | undefined {
    const fleet = this.fleet();
    const node = fleet.nodes.get(nodeId);
    if (!node || this.#silentSince.has(node.name)) return undefined;
    if (wanted === "gone") return state === "gone" ? undefined : { state: "gone" };
    if (state === "offered") return diskHeldOn(fleet, node).has(id) ? undefined : { state: "staged" };
    if (state !== "loading" && (state !== "staged" || heldOn(fleet, node).has(id))) return undefined;
    return this.broken.get(version)?.has(node.name) === true
      ? { state: "failed", failure: { code: "LOAD_FAILED", detail: "as the test says" } }
      : { state: "ready" };
  }

  /** The version was ready on the node and its host has died. */
  crash(name: string, version: number): void {
    for (const each of this.placements())
      if (each.node === name && each.version === version) this.#change(each.id, { state: "loading" });
  }

  /** A plan has sent the version away from the node. */
  takeAway(name: string, version: number): void {
    for (const each of this.placements())
      if (each.node === name && each.version === version) this.#change(each.id, { wanted: "gone" });
  }

  unplug(...names: readonly string[]): void {
    for (const name of names) this.#silentSince.set(name, this.now - 1);
  }

  plugIn(...names: readonly string[]): void {
    for (const name of names) this.#silentSince.delete(name);
  }

  /** Control plane and nodes work until nothing changes any more. */
  standStill(check: () => void = () => undefined): void {
    for (let turn = 0; turn < 500; turn += 1) {
      const steps = this.steps();
      for (const step of steps) this.execute(step);
      check();
      const isBusy = this.work();
      check();
      if (steps.length === 0 && !isBusy) return;
    }
    throw new Error(`the rollout does not come to rest: ${this.rollout?.phase}, ${this.rollout?.reason}`);
  }

  wait(seconds: number, check: () => void = () => undefined): void {
    this.now += seconds * 1_000;
    this.standStill(check);
  }

  placements(): readonly { id: PlacementId; node: string; version: number; state: FleetPlacement["state"] }[] {
    const fleet = this.fleet();
    return this.#placements
      .filter(({ wanted }) => wanted === "serve")
      .map(({ id, nodeId, version, state }) => ({ id, node: fleet.nodes.get(nodeId)?.name ?? "", version, state }));
  }

  /** Names of the nodes that are there and have the version ready. */
  readyOn(version: number): readonly string[] {
    return this.placements()
      .filter((each) => each.version === version && each.state === "ready" && !this.#silentSince.has(each.node))
      .map(({ node }) => node)
      .toSorted();
  }

  /** Percent of the requests that each version answers. */
  shares(): Readonly<Record<number, number>> {
    const fleet = this.fleet();
    const serving = this.#placements.filter(
      ({ state, wanted, nodeId }) =>
        state === "ready" && wanted === "serve" && !this.#silentSince.has(fleet.nodes.get(nodeId)?.name ?? ""),
    );
    const shares = sharesOf(fleet, this.deployment, serving);
    const total = shares.reduce((sum, { weight }) => sum + weight, 0);
    return Object.fromEntries(shares.map(({ version, weight }) => [version, Math.round((100 * weight) / total)]));
  }

  #change(id: PlacementId, change: Partial<FleetPlacement>): void {
    this.#placements = this.#placements.map((each) =>
      each.id === id ? { ...each, stateSince: this.now, progressSince: this.now, ...change } : each,
    );
  }
}
