import type { Tensor } from "../../../shared/inference/tensors/datatypes.ts";
import { type DecoderModel, LAST_LOGITS, NEW_KEYS_AND_VALUES, pastInputs } from "../../../shared/text/decoder-model.ts";
import type { LoadedModel } from "../onnx/model.ts";
import type { CacheBlock, Numbers } from "./cache-block.ts";

/** Runs a decoder over the rows of a block. Blocks the thread meanwhile. */
export class DecoderGraph {
  readonly decoder: DecoderModel;
  readonly #model: LoadedModel;
  readonly #pasts: readonly string[];
  /**
   * Blocks may have room behind a row's tokens. A graph that takes positions from the length of its cache instead of the mask
   * would take that room for tokens.
   */
  hasRoom = true;

  constructor(model: LoadedModel, decoder: DecoderModel) {
    this.#model = model;
    this.decoder = decoder;
    this.#pasts = pastInputs(decoder.layers);
  }

  /**
   * Adds the tokens of each row, as many in all rows, to its cache. The logits of each row's last token, one after the other,
   * unless they are not wanted.
   */
  async run(
    block: CacheBlock,
    tokens: readonly (readonly number[])[],
    { hasLogits }: { readonly hasLogits: boolean },
  ): Promise<Numbers> {
    const count = tokens[0]?.length ?? 0;
    if (!this.hasRoom) block.fit();
    const outputs = hasLogits ? [NEW_KEYS_AND_VALUES, LAST_LOGITS] : [NEW_KEYS_AND_VALUES];
    const [added, logits] = await this.#model.run(this.#feeds(block, tokens, count), outputs);
    block.append(numbersOf(added), count, { hasRoom: this.hasRoom });
    return hasLogits ? numbersOf(logits) : NOTHING;
  }

  #feeds(block: CacheBlock, tokens: readonly (readonly number[])[], count: number): Tensor[] {
    const { heads, headSize, cacheType, inputs } = this.decoder;
    const { rows, capacity } = block;
    const total = capacity + count;
    const ids = new BigInt64Array(rows * count);
    const mask = new BigInt64Array(rows * total);
    const positions = new BigInt64Array(rows * count);
    for (let row = 0; row < rows; row += 1) {
      const length = block.lengthOf(row);
      mask.fill(1n, row * total, row * total + length);
      mask.fill(1n, row * total + capacity, (row + 1) * total);
      for (let at = 0; at < count; at += 1) {
        ids[row * count + at] = BigInt(tokens[row]?.[at] ?? 0);
        positions[row * count + at] = BigInt(length + at);
      }
    }
    const whole = (name: string, data: BigInt64Array, shape: number[]): Tensor => ({
      name,
      datatype: "INT64",
      shape,
      data,
    });
    const shape = [rows, heads, capacity, headSize];
    return [
      whole("input_ids", ids, [rows, count]),
      whole("attention_mask", mask, [rows, total]),
      ...inputs.map((name) =>
        name === "position_ids" ? whole(name, positions, [rows, count]) : whole(name, BigInt64Array.of(1n), []),
      ),
      ...block.parts.map((data, at) => ({ name: this.#pasts[at] ?? "", datatype: cacheType, shape, data })),
    ];
  }
}

const NOTHING = new Float32Array(0);

function numbersOf(tensor: Tensor | undefined): Numbers {
  const data = tensor?.data;
  if (data instanceof Float32Array || data instanceof Float16Array) return data;
  throw new Error("the graph put out other numbers than were due");
}
