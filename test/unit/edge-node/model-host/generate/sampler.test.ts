import { describe, expect, it } from "@jest/globals";
import { Sampler } from "../../../../../edge-node/model-host/generate/sampler.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { GREEDY, type Sampling } from "../../../../../edge-node/model-host/text/text-runtime.ts";

const LOGITS = [1, 4, 2, 3, -30, 0];
const drawer = (sampling: Partial<Sampling>): Sampler => new Sampler({ ...GREEDY, temperature: 1, ...sampling });
const logits = (values: readonly number[] = LOGITS): Float32Array => Float32Array.from(values);

/** The tokens that come in many draws, in order. */
function seen(sampling: Partial<Sampling>, values = LOGITS, draws = 2_000): readonly number[] {
  const tokens = new Set<number>();
  for (let seed = 0; seed < draws; seed += 1) tokens.add(drawer({ ...sampling, seed }).draw(logits(values)).token);
  return [...tokens].toSorted((a, b) => a - b);
}

describe("Sampler", () => {
  it("takes the likeliest token with the temperature 0, the first of equal ones", () => {
    expect(drawer({ temperature: 0 }).draw(logits()).token).toBe(1);
    expect(drawer({ temperature: 0 }).draw(logits([5, 7, 7])).token).toBe(1);
  });

  it.each([0, 1])("tells of the first tokens alone how likely they were, with the temperature %d", (temperature) => {
    const sampler = drawer({ temperature, measuredTokens: 2, topK: 1 });
    const drawn = [1, 2, 3].map(() => sampler.draw(logits()));
    expect(drawn.map(({ logprob }) => logprob)).toEqual([0, 0, undefined]);
    const [first] = [drawer({ temperature: 0, measuredTokens: 1 }).draw(logits())];
    expect(first?.logprob).toBeCloseTo(4 - Math.log(LOGITS.reduce((sum, logit) => sum + Math.exp(logit), 0)), 5);
  });

  it("draws each token as often as it is likely", () => {
    const counts = new Float64Array(LOGITS.length);
    const draws = 20_000;
    const sampler = drawer({ seed: 7, temperature: 2 });
    for (let draw = 0; draw < draws; draw += 1) {
      const { token } = sampler.draw(logits());
      counts[token] = (counts[token] ?? 0) + 1;
    }
    const weights = LOGITS.map((logit) => Math.exp(logit / 2));
    const sum = weights.reduce((all, weight) => all + weight, 0);
    weights.forEach((weight, token) => expect((counts[token] ?? 0) / draws).toBeCloseTo(weight / sum, 1.5));
  });

  it("cuts off what topK, topP and minP leave out", () => {
    expect(seen({ topK: 2 })).toEqual([1, 3]);
    // The shares are 0.64, 0.23, 0.09, 0.03, 0.01.
    expect(seen({ topP: 0.6 })).toEqual([1]);
    expect(seen({ topP: 0.8 })).toEqual([1, 3]);
    expect(seen({ topP: 0.9 })).toEqual([1, 2, 3]);
    expect(seen({ minP: Math.exp(-1.5) })).toEqual([1, 3]);
    expect(seen({ topK: 3, topP: 0.6 })).toEqual([1]);
  });

  it("looks at all tokens where those near the likeliest one are too few", () => {
    const far = [20, 0, 0, 0];
    expect(seen({ topK: 2, temperature: 50 }, far)).toEqual([0, 1]);
    expect(seen({ topP: 1 - 1e-12, temperature: 50 }, far)).toEqual([0, 1, 2, 3]);
  });

  it.each([0.1, 0.5, 0.9, 0.999, 1 - 1e-6])("keeps for topP %d what sorting all tokens keeps", (topP) => {
    const random = seededRandom(5);
    const values = logits(Array.from({ length: 400 }, () => 30 * random.next() ** 3));
    const sorted = Array.from(values.keys()).toSorted((a, b) => (values[b] ?? 0) - (values[a] ?? 0));
    const weights = sorted.map((token) => Math.exp((values[token] ?? 0) - 30));
    const sum = weights.reduce((all, weight) => all + weight, 0);
    let mass = 0;
    const count = 1 + weights.findIndex((weight) => (mass += weight) >= topP * sum);
    const { likely = [] } = drawer({ topP, logprobs: values.length }).draw(values);
    expect(likely.map(({ token }) => token)).toEqual(sorted.slice(0, count));
  });

  it("makes tokens less likely that came before, by how often and by whether they did", () => {
    const often = drawer({ temperature: 0, frequencyPenalty: 0.6 });
    expect([1, 2, 3, 4].map(() => often.draw(logits()).token)).toEqual([1, 1, 3, 1]);
    const once = drawer({ temperature: 0, presencePenalty: 1.5 });
    expect([1, 2, 3, 4].map(() => once.draw(logits()).token)).toEqual([1, 3, 1, 1]);
  });

  it("draws the same tokens with the same seed", () => {
    const drawn = (seed: number): readonly number[] => {
      const sampler = drawer({ seed, temperature: 2 });
      return Array.from({ length: 40 }, () => sampler.draw(logits()).token);
    };
    expect(drawn(3)).toEqual(drawn(3));
    expect(drawn(4)).not.toEqual(drawn(3));
  });

  it("tells how likely the drawn token and the likeliest ones are, of those that are left and after the temperature", () => {
    const all = drawer({ temperature: 2, logprobs: 2, seed: 1 }).draw(logits());
    const sum = LOGITS.reduce((mass, logit) => mass + Math.exp(logit / 2), 0);
    expect(all.logprob).toBeCloseTo((LOGITS[all.token] ?? 0) / 2 - Math.log(sum), 5);
    expect(all.likely?.map(({ token }) => token)).toEqual([1, 3]);
    const cut = drawer({ topK: 2, logprobs: 5 }).draw(logits());
    expect(cut.likely?.map(({ token, logprob }) => [token, Number(Math.exp(logprob).toFixed(3))])).toEqual([
      [1, 0.731],
      [3, 0.269],
    ]);
    const greedy = drawer({ temperature: 0, logprobs: 0 }).draw(logits());
    expect(greedy).toEqual({ token: 1, logprob: expect.any(Number), likely: [] });
  });
});
