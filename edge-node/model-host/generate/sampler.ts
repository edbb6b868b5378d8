import { seededRandom, type Random } from "../../../shared/base/random.ts";
import type { MadeToken, Sampling } from "../text/text-runtime.ts";
import type { Numbers } from "./cache-block.ts";

/**
 * Tokens are put in order down to so far below the likeliest, and further down only where those are too few: to sort a whole
 * vocabulary takes as long as a small model computes.
 */
const FAR_BELOW = [3, 6, 9, 12, 15, 18, 21, 24] as const;

/** Some of the tokens. */
interface Allowed {
  has(token: number): boolean;
}

/**
 * Draws tokens as llama.cpp does, in this order: penalties, `topK`, `topP`, `minP`, temperature. With the temperature 0 it
 * takes the likeliest token. The logarithms of probabilities are those of the tokens that are left, after the temperature.
 */
export class Sampler {
  readonly #sampling: Sampling;
  readonly #random: Random;
  /** How often each token was made. */
  readonly #made = new Map<number, number>();
  #drawn = 0;

  constructor(sampling: Sampling) {
    this.#sampling = sampling;
    this.#random = seededRandom(sampling.seed);
  }

  /** `logits`: of all tokens of the vocabulary; penalties change them, and where some tokens are not `allowed` what is said of those. */
  draw(logits: Numbers, allowed?: Allowed): MadeToken {
    const { temperature, measuredTokens = 0 } = this.#sampling;
    const logprobs = this.#sampling.logprobs ?? (this.#drawn < measuredTokens ? 0 : undefined);
    this.#drawn += 1;
    this.#penalise(logits);
    if (allowed !== undefined) forbid(logits, allowed);
    const made =
      temperature <= 0 && logprobs === undefined
        ? { token: likeliest(logits) }
        : this.#choose(logits, temperature, logprobs);
    this.#made.set(made.token, (this.#made.get(made.token) ?? 0) + 1);
    return made;
  }

  #penalise(logits: Numbers): void {
    const { frequencyPenalty, presencePenalty } = this.#sampling;
    if (frequencyPenalty === 0 && presencePenalty === 0) return;
    for (const [token, times] of this.#made)
      logits[token] = (logits[token] ?? 0) - times * frequencyPenalty - presencePenalty;
  }

  #choose(logits: Numbers, temperature: number, logprobs: number | undefined): MadeToken {
    const { topK, topP, minP } = this.#sampling;
    const isCut = topK > 0 || topP < 1 || minP > 0;
    const best = likeliest(logits);
    // Undefined: all tokens, of which no list is made for each draw.
    const left = isCut ? kept(logits, { topK, topP, minP }) : undefined;
    const tokenAt = (at: number): number => (left === undefined ? at : (left[at] ?? best));
    const most = logits[best] ?? 0;
    const scale = temperature > 0 ? 1 / temperature : 1;
    const weights = new Float64Array(left?.length ?? logits.length);
    let sum = 0;
    for (let at = 0; at < weights.length; at += 1) {
      const weight = Math.exp(((logits[tokenAt(at)] ?? 0) - most) * scale);
      weights[at] = weight;
      sum += weight;
    }
    const token = temperature > 0 ? tokenAt(drawn(weights, this.#random.next() * sum)) : best;
    if (logprobs === undefined) return { token };
    const logprobOf = (which: number): number => ((logits[which] ?? 0) - most) * scale - Math.log(sum);
    const likely = (left ?? likeliestOf(logits, ({ length }) => length >= logprobs))
      .slice(0, logprobs)
      .filter((each) => logits[each] !== -Infinity);
    return {
      token,
      logprob: logprobOf(token),
      likely: likely.map((each) => ({ token: each, logprob: logprobOf(each) })),
    };
  }
}

function forbid(logits: Numbers, allowed: Allowed): void {
  for (let token = 0; token < logits.length; token += 1) if (!allowed.has(token)) logits[token] = -Infinity;
}

/** The first of several that are equally likely, as in NumPy. */
function likeliest(logits: Numbers): number {
  let best = 0;
  let most = -Infinity;
  for (let token = 0; token < logits.length; token += 1) {
    const logit = logits[token] ?? -Infinity;
    if (logit > most) {
      most = logit;
      best = token;
    }
  }
  return best;
}

function drawn(weights: Float64Array, target: number): number {
  let sum = 0;
  for (let at = 0; at < weights.length; at += 1) {
    sum += weights[at] ?? 0;
    if (sum > target) return at;
  }
  return Math.max(
    0,
    weights.findLastIndex((weight) => weight > 0),
  );
}

/** The likeliest tokens, the likeliest first: as many as are enough, or all. */
function likeliestOf(logits: Numbers, isEnough: (tokens: readonly number[]) => boolean): readonly number[] {
  const most = logits[likeliest(logits)] ?? 0;
  for (const below of FAR_BELOW) {
    const near = ordered(logits, most - below);
    if (isEnough(near)) return near;
  }
  return ordered(logits, -Infinity);
}

/** The tokens that may be drawn, the likeliest first. At least one of the three cuts something off. */
function kept(logits: Numbers, { topK, topP, minP }: Pick<Sampling, "topK" | "topP" | "minP">): readonly number[] {
  const most = logits[likeliest(logits)] ?? 0;
  const least = minP > 0 ? most + Math.log(minP) : -Infinity;
  if (topK === 0 && topP >= 1) return ordered(logits, least);
  const first = topK > 0 ? likeliestOf(logits, ({ length }) => length >= topK).slice(0, topK) : undefined;
  const tokens = topP < 1 ? nucleus(logits, first, { most, topP }) : (first ?? []);
  return tokens.filter((token, at) => at === 0 || (logits[token] ?? 0) >= least);
}

/** Of `tokens`, which are in order, or of all: the likeliest that have `topP` of their weight together. */
function nucleus(
  logits: Numbers,
  tokens: readonly number[] | undefined,
  { most, topP }: { readonly most: number; readonly topP: number },
): readonly number[] {
  const tokenAt = (at: number): number => (tokens === undefined ? at : (tokens[at] ?? 0));
  const count = tokens?.length ?? logits.length;
  let sum = 0;
  for (let at = 0; at < count; at += 1) sum += Math.exp((logits[tokenAt(at)] ?? 0) - most);
  const needed = (some: readonly number[]): number | undefined => withMass(some, logits, { most, mass: topP * sum });
  const some = tokens ?? likeliestOf(logits, (near) => needed(near) !== undefined);
  return some.slice(0, needed(some));
}

/** How many of the first tokens have so much weight together; undefined when all of them have less. */
function withMass(
  tokens: readonly number[],
  logits: Numbers,
  { most, mass }: { readonly most: number; readonly mass: number },
): number | undefined {
  let sum = 0;
  const last = tokens.findIndex((token) => (sum += Math.exp((logits[token] ?? 0) - most)) >= mass);
  return last === -1 ? undefined : last + 1;
}

/** Tokens with logits of `least` or more, the likeliest first. */
function ordered(logits: Numbers, least: number): readonly number[] {
  const tokens: number[] = [];
  for (let token = 0; token < logits.length; token += 1) if ((logits[token] ?? 0) >= least) tokens.push(token);
  return tokens.sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b);
}
