/** One wave of one rollout: what is counted together. */
export interface Wave {
  readonly deployment: string;
  /** Counts the rollouts of the deployment. */
  readonly rollout: number;
  readonly wave: number;
}

export const isSameWave = (a: Wave, b: Wave): boolean =>
  a.deployment === b.deployment && a.rollout === b.rollout && a.wave === b.wave;

/** Whether `a` is an earlier wave than `b`, of the same deployment. */
export const isBefore = (a: Wave, b: Wave): boolean =>
  a.rollout < b.rollout || (a.rollout === b.rollout && a.wave < b.wave);

/** A rollout whose requests are counted, as the router sees it. */
export interface MeasuredRollout extends Wave {
  readonly old: number;
  readonly new: number;
  /** The new version gets copies of requests, and its answers are compared with those of the old one. */
  readonly copies: boolean;
}

/** One request of a rollout that ended. */
export interface MeasuredAnswer {
  readonly version: number;
  /** Error code; undefined: it was answered. */
  readonly code: string | undefined;
  readonly kind: "edge" | "cloud" | undefined;
  /** From arrival to answer. */
  readonly ms: number;
  /** No caller asked it: it was one of the new version's samples. */
  readonly isSample?: boolean;
}
