import { nodeKind } from "../../../shared/api/v1/nodes/nodes.ts";
import type { NodeSelector } from "../../../shared/api/v1/nodes/node-selector.ts";
import { ONE_STEP, type RolloutSpec, type Wave } from "../../../shared/api/v1/rollouts/rollout-spec.ts";
import type { RolloutNode, RolloutRecord } from "../../../shared/api/v1/rollouts/rollouts.ts";
import { stableHash } from "../hash.ts";
import { unmetRequirement } from "../scheduling/selector.ts";
import type { NodeView, RolloutView } from "./view.ts";

const ALL: Wave = { percent: 100 };
const DEFAULTS = {
  rolling: [{ percent: 25 }, { percent: 50 }, ALL],
  canary: [{ percent: 10 }, { percent: 50 }, ALL],
} satisfies Record<string, readonly Wave[]>;

/** The waves of a spec; the last one is always all nodes. */
export function wavesOf({ strategy, waves }: RolloutSpec): readonly Wave[] {
  if (strategy === "blue-green" || strategy === "shadow" || strategy === "recreate") return [ALL];
  const declared = waves ?? DEFAULTS[strategy];
  return declared.at(-1)?.percent === 100 ? declared : [...declared, ALL];
}

/**
 * The nodes that the present wave still lacks, in an order that differs from version to version, so that it is not always the
 * same node that is first. Those that a wave takes by name, and all in the last one, are members also while they are away.
 */
export function joining(
  record: RolloutRecord,
  members: readonly RolloutNode[],
  view: RolloutView,
): readonly NodeView[] {
  const wave = record.waves[record.wave - 1];
  if (!wave) return [];
  const isMember = new Set(members.map(({ nodeId }) => nodeId));
  const free = [...view.nodes.values()]
    .filter(({ id, hasOld, isOpen }) => hasOld && isOpen && !isMember.has(id))
    .toSorted((a, b) => orderOf(record, a) - orderOf(record, b) || (a.name < b.name ? -1 : 1));
  if (wave.zone !== undefined || wave.where !== undefined) {
    const selector = selectorOf(wave);
    return free.filter(({ labels }) => unmetRequirement(selector, labels) === undefined);
  }
  const able = free.filter(({ isThere }) => isThere);
  if (wave.replicas !== undefined) {
    const have = members.filter((each) => each.wave === record.wave && counts(each)).length;
    return inTurn(able, wave.replicas - have);
  }
  if (wave.percent === 100) return free;
  return nodeKind.options.flatMap((kind) => {
    const ofKind = (id: string): boolean => view.nodes.get(id)?.kind === kind;
    const total = [...view.nodes.values()].filter((node) => node.kind === kind && serves(node)).length;
    const have = members.filter((each) => counts(each) && ofKind(each.nodeId)).length;
    const wanted = Math.ceil((total * (wave.percent ?? 0)) / 100);
    return able.filter((node) => node.kind === kind).slice(0, Math.max(0, wanted - have));
  });
}

/** Percent of the requests that the new version answers when the present wave has switched. */
export function shareOf(record: RolloutRecord, members: readonly RolloutNode[], view: RolloutView): number {
  const wave = record.waves[record.wave - 1];
  if (record.strategy === "shadow") return 0;
  if (record.wave >= record.waves.length || ONE_STEP.includes(record.strategy)) return 100;
  if (record.strategy === "canary" && wave?.percent !== undefined) return wave.percent;
  const total = [...view.nodes.values()].filter(serves).length;
  const switched = members.filter(({ state }) => state === "switched").length;
  return Math.max(1, Math.min(99, Math.round((100 * switched) / Math.max(1, total))));
}

/** The wave as it is said. */
export function waveText({ percent, replicas, zone, where }: Wave): string {
  if (percent !== undefined) return `${percent} %`;
  if (replicas !== undefined) return `${replicas} more`;
  if (zone !== undefined) return `zone ${zone}`;
  return Object.entries(where?.matchLabels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .concat(
      (where?.matchExpressions ?? []).map(({ key, operator, values }) => `${key} ${operator} ${values.join(",")}`),
    )
    .join(" ");
}

const selectorOf = ({ zone, where }: Wave): NodeSelector =>
  where ?? { matchLabels: { zone: zone ?? "" }, matchExpressions: [] };

const counts = ({ state }: RolloutNode): boolean => state !== "waiting";
const serves = ({ hasOld, fresh, isLeaving }: NodeView): boolean => (hasOld || fresh !== undefined) && !isLeaving;
const orderOf = ({ model, to }: RolloutRecord, { name }: NodeView): number => stableHash(`${model}:${to}@${name}`);

/** The first `count`, of the kinds in turn: edge and cloud are both in a wave of two. */
function inTurn(nodes: readonly NodeView[], count: number): readonly NodeView[] {
  const byKind = [...Map.groupBy(nodes, ({ kind }) => kind).values()];
  const longest = Math.max(0, ...byKind.map(({ length }) => length));
  const order = Array.from({ length: longest }, (_, at) => byKind.flatMap((of) => of[at] ?? [])).flat();
  return order.slice(0, Math.max(0, count));
}
