import type { Tensor } from "../../../../shared/inference/tensors/datatypes.ts";

/** How far the answers of two versions to one request are apart. */
export interface AnswerComparison {
  /** They have the same outputs, and these decide alike. */
  readonly agrees: boolean;
  /** Largest difference between two finite numbers at the same place. */
  readonly difference: number;
}

/**
 * Compares the outputs by name. Texts, integers and truth values decide by what they are: they are labels. Of floats the
 * last axis of two or more decides, by the place of its largest value, so that scores may differ as long as their order at the top
 * does not. Floats of rank 0 and 1, and of one column, decide nothing: they may be measures, whose difference is all that counts.
 */
export function compareAnswers(old: readonly Tensor[], fresh: readonly Tensor[]): AnswerComparison {
  const others = new Map(fresh.map((tensor) => [tensor.name, tensor]));
  let agrees = old.length === fresh.length;
  let difference = 0;
  for (const tensor of old) {
    const other = others.get(tensor.name);
    if (!other || !hasSameForm(tensor, other)) {
      agrees = false;
      continue;
    }
    const found = compareTensors(tensor, other);
    agrees &&= found.agrees;
    difference = Math.max(difference, found.difference);
  }
  return { agrees, difference };
}

const hasSameForm = (a: Tensor, b: Tensor): boolean =>
  (a.datatype === "BYTES") === (b.datatype === "BYTES") &&
  a.shape.length === b.shape.length &&
  a.shape.every((size, axis) => size === b.shape[axis]);

const isFloat = ({ datatype }: Tensor): boolean => ["FP16", "FP32", "FP64"].includes(datatype);

function compareTensors(old: Tensor, fresh: Tensor): AnswerComparison {
  let difference = 0;
  let isEqual = true;
  for (let at = 0; at < old.data.length; at += 1) {
    const [was, is] = [old.data[at], fresh.data[at]];
    if (was === is) continue;
    const apart = Math.abs(Number(was) - Number(is));
    if (Number.isFinite(apart)) {
      isEqual &&= apart === 0;
      difference = Math.max(difference, apart);
    } else isEqual &&= Number.isNaN(was) && Number.isNaN(is);
  }
  if (!isFloat(old) || !isFloat(fresh)) return { agrees: isEqual, difference };
  return { agrees: haveSameTop(old, fresh), difference };
}

/** The largest value of each row is at the same place. A value that is no finite number in one of them alone is a difference. */
function haveSameTop(old: Tensor, fresh: Tensor): boolean {
  const columns = old.shape.length < 2 ? 1 : (old.shape.at(-1) ?? 1);
  if (columns === 1) return old.data.every((was, at) => haveSameForm(Number(was), Number(fresh.data[at])));
  for (let row = 0; row < old.data.length; row += columns)
    if (topOf(old, row, columns) !== topOf(fresh, row, columns)) return false;
  return true;
}

const haveSameForm = (a: number, b: number): boolean => (Number.isFinite(a) && Number.isFinite(b)) || Object.is(a, b);

/** Place of the first largest value of a row; -1 when one is no number. */
function topOf({ data }: Tensor, from: number, columns: number): number {
  let top = 0;
  for (let column = 0; column < columns; column += 1) {
    const value = Number(data[from + column]);
    if (Number.isNaN(value)) return -1;
    if (value > Number(data[from + top])) top = column;
  }
  return top;
}
