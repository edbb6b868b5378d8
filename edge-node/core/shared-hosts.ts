/**
 * Which models may run in one process with others, which process they go to, and what each is counted for. A shared host runs
 * one model at a time, so what bounds it is how long a run takes and how many models may be in front of one.
 */

/** Models in one shared host. */
export const MAX_SHARED_MODELS = 16;
/** What they may take together, in MiB. */
export const MAX_SHARES_MIB = 512;
/** The process itself with Node and ONNX Runtime, and a request with its answer: one is worked on at a time. */
export const SHARED_BASE_MIB = 320;

/** A model whose runs take longer keeps its neighbours waiting. */
const MAX_RUN_MS = 5;
/** So does one while it loads. */
const MAX_LOAD_MS = 500;
const MAX_ADDED_MIB = 128;
/** A shared run of several requests is to take about as long as this at most. */
const MAX_BATCH_MS = 10;
/** Slow batches within a minute after which a model has to go. */
export const MAX_SLOW_BATCHES = 3;
export const SLOW_BATCHES_WITHIN_MS = 60_000;

/** Its trials saw small runs; the arena is taken in powers of two. */
const MARGIN = 1.25;
const STEP_MIB = 16;

/** What was seen of a model in a process of its own. */
export interface Trial {
  /** In CPU time: a busy machine is no fault of the model. These three are undefined where they were not measured. */
  readonly loadCpuMs: number | undefined;
  readonly runCpuUs: number | undefined;
  readonly addedMiB: number | undefined;
  /** A run on made-up values was possible. */
  readonly hasRun: boolean;
}

/** Why a model keeps the process that it was tried in; undefined: it may go to a shared host. */
export function whyAlone({ loadCpuMs, runCpuUs, addedMiB, hasRun }: Trial): string | undefined {
  if (!hasRun || runCpuUs === undefined) return "no warm run was possible, so nobody knows how long its runs take";
  if (runCpuUs > MAX_RUN_MS * 1_000)
    return `a run takes ${(runCpuUs / 1_000).toFixed(1)} ms, and ${MAX_RUN_MS} are the most in a shared host`;
  if (loadCpuMs === undefined || addedMiB === undefined) return "what it takes to load could not be measured";
  if (loadCpuMs > MAX_LOAD_MS)
    return `it loads for ${Math.round(loadCpuMs)} ms, and ${MAX_LOAD_MS} are the most in a shared host`;
  if (addedMiB > MAX_ADDED_MIB)
    return `it takes ${Math.round(addedMiB)} MiB, and ${MAX_ADDED_MIB} are the most in a shared host`;
  return undefined;
}

/** Memory that a model is counted for beside the process, in MiB. */
export const shareMiB = (addedMiB: number): number =>
  Math.max(STEP_MIB, Math.ceil((MARGIN * addedMiB) / STEP_MIB) * STEP_MIB);

/** Time over which it is looked how busy a model keeps its host, in ms. */
export const BUSY_WINDOW_MS = 10_000;
/** Part of a window that a shared host may work before its models are in each other's way. */
const BUSY_HOST = 0.5;
/** Part of a window from which it helps the others when a model leaves. */
const BUSY_MODEL = 0.25;

/**
 * Whether a model should leave its shared host for a process, and so a core, of its own: all models together keep the host busy,
 * and this one is much of that. `workMs`: of it in the last window, `hostWorkMs`: of all models there. One that is alone is
 * in nobody's way.
 */
export const isTooBusy = (of: {
  readonly workMs: number;
  readonly hostWorkMs: number;
  readonly models: number;
}): boolean => of.models > 1 && of.hostWorkMs >= BUSY_HOST * BUSY_WINDOW_MS && of.workMs >= BUSY_MODEL * BUSY_WINDOW_MS;

export interface SharedHostView {
  readonly name: string;
  /** Shares of its models, in MiB, oldest first. */
  readonly shares: readonly number[];
  /** It came near its limit, or is about to end. */
  readonly isClosed: boolean;
}

/**
 * The host for a model of this share: the fullest that has room, so that few processes hold many models; of equal ones the
 * first by name. Undefined: a new one.
 */
export function chooseHost(share: number, hosts: readonly SharedHostView[]): string | undefined {
  const fitting = hosts.filter(
    ({ shares, isClosed }) => !isClosed && shares.length < MAX_SHARED_MODELS && sum(shares) + share <= MAX_SHARES_MIB,
  );
  return fitting.toSorted((a, b) => b.shares.length - a.shares.length || (a.name < b.name ? -1 : 1))[0]?.name;
}

/** The limit of a shared host, in MiB. */
export const sharedLimitMiB = (shares: readonly number[]): number => SHARED_BASE_MIB + sum(shares);

/** What the model at `index` is counted for, in MiB: its share, and the first one the process too, so that a node's sum has it once. */
export const countedMiB = (shares: readonly number[], index: number): number =>
  (shares[index] ?? 0) + (index === 0 ? SHARED_BASE_MIB : 0);

/** Rows that may share a run in a shared host. */
export const rowsWithin = (maxRows: number, runCpuUs: number): number =>
  Math.max(1, Math.min(maxRows, Math.floor((MAX_BATCH_MS * 1_000) / Math.max(1, runCpuUs))));

/** The first name `shared-N` that no host has. */
export function nameOfNext(taken: ReadonlySet<string>): string {
  for (let n = 1; ; n += 1) if (!taken.has(`shared-${n}`)) return `shared-${n}`;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);
