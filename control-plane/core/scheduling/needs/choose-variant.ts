/** A graph of a version, as far as its choice for a node depends on it. */
export interface VariantOption {
  readonly name: string;
  /** Memory that it is given. */
  readonly memMiB: number;
  readonly bytes: number;
  /** The node has its operator set and file format. */
  readonly canRun: boolean;
  /** How long a run takes on nodes of the same class, in µs; undefined: that was not measured. */
  readonly runUs: number | undefined;
}

/** How long runs of variants take, in µs: the key names version, variant and class of nodes. */
export type VariantSpeeds = ReadonlyMap<string, number>;

/** What a node gets, and why as the end of a sentence. */
export interface VariantChoice {
  readonly name: string;
  readonly why: string;
}

/** So many times as quick a variant has to be to be preferred: runs differ by less without a reason. */
const QUICKER = 1.25;

/**
 * Which of the graphs of a version a node gets. `options`: the reference first, then the variants in the order in which
 * their publisher prefers them; at least one.
 *
 * 1. What the deployment pins.
 * 2. Of those that the node can run and that fit its memory the first: the reference, where it fits.
 * 3. In place of that one the quickest, if it runs 1.25 times as quick on nodes of the class; only where both were measured.
 * 4. Where none fits, the smallest: the filters then say what is missing.
 *
 * What is free on the node does not count, so that the choice does not change with what else is there.
 */
export function chooseVariant(
  options: readonly VariantOption[],
  node: {
    readonly pinned: string | undefined;
    /** Memory of the node that models may use in all. */
    readonly usableMiB: number;
    /** How sentences call its class: `edge nodes of arm64`. */
    readonly class: string;
  },
): VariantChoice {
  const { pinned, usableMiB } = node;
  if (pinned !== undefined) return { name: pinned, why: "the deployment asks for it" };
  const able = options.filter(({ canRun }) => canRun);
  const fitting = able.filter(({ memMiB }) => memMiB <= usableMiB);
  const [first] = fitting;
  if (!first) return smallest(able.length > 0 ? able : options, usableMiB);
  const quickest = fitting
    .filter(({ runUs }) => runUs !== undefined)
    .toSorted((a, b) => (a.runUs ?? 0) - (b.runUs ?? 0))[0];
  if (quickest?.runUs !== undefined && first.runUs !== undefined && quickest.runUs * QUICKER <= first.runUs)
    return {
      name: quickest.name,
      why: `it runs in ${inMs(quickest.runUs)} on ${node.class}, and ${first.name} in ${inMs(first.runUs)}`,
    };
  const reference = options[0];
  if (!reference || first === reference)
    return { name: first.name, why: "it fits, and none was measured to be much quicker" };
  if (!reference.canRun) return { name: first.name, why: `the node cannot run ${reference.name}` };
  return {
    name: first.name,
    why: `${reference.name} needs ${reference.memMiB} MiB of memory, and the node has ${usableMiB} for models`,
  };
}

function smallest(options: readonly VariantOption[], usableMiB: number): VariantChoice {
  const [least] = options.toSorted((a, b) => a.memMiB - b.memMiB || a.bytes - b.bytes);
  return { name: least?.name ?? "", why: `none fits the ${usableMiB} MiB that the node has for models: the smallest` };
}

const inMs = (us: number): string => `${Number((us / 1_000).toPrecision(2))} ms`;
