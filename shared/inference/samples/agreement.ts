import { DATATYPES, type Tensor } from "../tensors/datatypes.ts";

/** How far the outputs of two models are from each other. */
export interface Agreement {
  /** Rows that were compared. */
  readonly samples: number;
  /** Share of them for which both decide alike; null when no output holds a decision. */
  readonly agreement: number | null;
  /** Between two numbers; null when shapes differ, or only one of two numbers is finite. */
  readonly maxDifference: number | null;
  /** Where they cannot be compared first, as a sentence, when `maxDifference` is null. */
  readonly fault?: string | undefined;
}

/**
 * Compares the answers of a reference and of another model to the same requests. What a row decides: in an output of floating
 * point numbers with several columns the first of the largest ones, in any other output but floating point all of its
 * values. Outputs of floating point numbers of another rank decide nothing, and count by their difference alone.
 */
export class AgreementCount {
  #samples = 0;
  #agreeing = 0;
  #hasDecision = false;
  #maxDifference = 0;
  #fault: string | undefined;

  /** The answers to one request, in the same order of outputs. */
  add(reference: readonly Tensor[], other: readonly Tensor[]): void {
    const rows = Math.max(1, ...reference.map(({ shape }) => shape[0] ?? 1));
    const differing = new Set<number>();
    for (const [index, one] of reference.entries()) {
      const two = other[index];
      if (two === undefined || one.shape.join() !== two.shape.join()) {
        const is = two === undefined ? "missing" : `[${two.shape.join(", ")}]`;
        this.#fault ??= `sample ${this.#samples}: output ${nameOf(one)} is ${is}, and of the reference [${one.shape.join(", ")}]`;
        for (let row = 0; row < rows; row += 1) differing.add(row);
        continue;
      }
      const isByRow = one.shape[0] === rows;
      const count = isByRow ? rows : 1;
      if (isFloating(one)) this.#difference(one, two);
      const decides = !isFloating(one) || (one.shape.length === 2 && (one.shape[1] ?? 0) > 1);
      if (!decides) continue;
      this.#hasDecision = true;
      for (let row = 0; row < count; row += 1) {
        if (isSameDecision(one, two, { row, rows: count })) continue;
        if (isByRow) differing.add(row);
        else for (let each = 0; each < rows; each += 1) differing.add(each);
      }
    }
    this.#samples += rows;
    this.#agreeing += rows - differing.size;
  }

  get result(): Agreement {
    return {
      samples: this.#samples,
      agreement: this.#hasDecision || this.#fault !== undefined ? this.#agreeing / Math.max(1, this.#samples) : null,
      maxDifference: this.#fault === undefined ? this.#maxDifference : null,
      ...(this.#fault !== undefined && { fault: this.#fault }),
    };
  }

  #difference(one: Tensor, two: Tensor): void {
    for (let at = 0; at < one.data.length; at += 1) {
      const [is, was] = [Number(two.data[at]), Number(one.data[at])];
      if (Object.is(is, was) || is === was) continue;
      const difference = Math.abs(is - was);
      if (!Number.isFinite(difference))
        this.#fault ??= `sample ${this.#samples}: output ${nameOf(one)} has ${is} where the reference has ${was}`;
      else if (difference > this.#maxDifference) this.#maxDifference = difference;
    }
  }
}

/** A name is the publisher's, and may hold anything. */
const nameOf = ({ name }: Tensor): string => JSON.stringify(name.slice(0, 64));

function isFloating({ datatype }: Tensor): boolean {
  const { kind } = DATATYPES[datatype];
  return kind === "float" || kind === "half";
}

function isSameDecision(one: Tensor, two: Tensor, { row, rows }: { readonly row: number; readonly rows: number }) {
  const width = one.data.length / rows;
  const from = row * width;
  if (isFloating(one)) return largestAt(one, from, width) === largestAt(two, from, width);
  for (let at = from; at < from + width; at += 1) if (String(one.data[at]) !== String(two.data[at])) return false;
  return true;
}

function largestAt({ data }: Tensor, from: number, width: number): number {
  let [best, bestAt] = [-Infinity, 0];
  for (let at = 0; at < width; at += 1) {
    const value = Number(data[from + at]);
    if (value > best) [best, bestAt] = [value, at];
  }
  return bestAt;
}
