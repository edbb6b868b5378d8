import type { TextModel } from "../../../../shared/text/text-model.ts";
import type { ByteSource } from "../byte-source.ts";
import { GgufReader, type GgufValue } from "./reader.ts";
import { GGUF_TYPES } from "./types.ts";
import { isInspectionRefused, printable, quote, InspectionRefused } from "../inspection-refused.ts";

const MAGIC = "GGUF";
const VERSIONS: ReadonlySet<number> = new Set([2, 3]);
const MAX_TENSORS = 65_536;
const MAX_DIMENSIONS = 4;
const DEFAULT_ALIGNMENT = 32;
/** The runtime keeps keys and values as 16-bit floats. */
const CACHE_NUMBER_BYTES = 2;
const MAX_TITLE = 200;

/** They read a text at once and write none. */
const ENCODERS: ReadonlySet<string> = new Set([
  "bert",
  "nomic-bert",
  "nomic-bert-moe",
  "jina-bert-v2",
  "jina-bert-v3",
  "modern-bert",
  "neo-bert",
  "eurobert",
  "gemma-embedding",
  "t5encoder",
  "clip",
]);

export type GgufInspection =
  | { readonly kind: "model"; readonly model: TextModel }
  | { readonly kind: "refused"; readonly reason: string };

/**
 * Reads what matters out of the head of a GGUF file without believing any of it, and compares the sizes of its tensors with
 * the length of the file. Throws only what the source throws.
 */
export function inspectGguf(source: ByteSource): GgufInspection {
  try {
    return { kind: "model", model: readModel(source) };
  } catch (error) {
    if (!isInspectionRefused(error)) throw error;
    return { kind: "refused", reason: error.message };
  }
}

function readModel(source: ByteSource): TextModel {
  if (source.size < 24 || String.fromCodePoint(...source.read(0, 4)) !== MAGIC)
    throw new InspectionRefused("the file is no GGUF model: it does not begin with GGUF");
  const reader = new GgufReader(source);
  reader.u32();
  const version = reader.u32();
  if (!VERSIONS.has(version)) throw new InspectionRefused(`it is GGUF version ${version}; versions 2 and 3 are served`);
  const tensors = reader.u64();
  if (tensors > MAX_TENSORS) throw new InspectionRefused(`it has ${tensors} tensors; the limit is ${MAX_TENSORS}`);
  const metadata = new Metadata(reader.metadata(reader.u64()));
  metadata.refuseOtherKinds();
  const weights = readWeights(reader, {
    tensors,
    alignment: metadata.number("general.alignment") ?? DEFAULT_ALIGNMENT,
    size: source.size,
  });
  return { ...metadata.describe(), ...weights };
}

/** What the keys say. */
class Metadata {
  readonly #values: ReadonlyMap<string, GgufValue>;
  readonly #architecture: string;

  constructor(values: ReadonlyMap<string, GgufValue>) {
    this.#values = values;
    this.#architecture = this.#text("general.architecture") ?? missing("general.architecture");
  }

  /** Throws `InspectionRefused` for a file that holds something else than a whole model that writes text. */
  refuseOtherKinds(): void {
    const kind = this.#text("general.type");
    if (kind !== undefined && kind !== "model")
      throw new InspectionRefused(`it holds ${quote(kind)} and no model: publish the model that it belongs to`);
    if (ENCODERS.has(this.#architecture))
      throw new InspectionRefused(
        `${this.#architecture} models turn text into vectors, and only models that write text are served from GGUF`,
      );
    if ((this.number("split.count") ?? 1) > 1)
      throw new InspectionRefused(
        "it is one part of several: join them with `llama-gguf-split --merge` and publish the whole",
      );
  }

  describe(): Omit<TextModel, "parameters" | "quantization"> {
    const title = this.#text("general.name");
    return {
      architecture: printable(this.#architecture).slice(0, 64),
      ...(title !== undefined && title !== "" && { title: printable(title).slice(0, MAX_TITLE) }),
      contextTokens: this.#own("context_length"),
      vocabulary: this.#vocabulary(),
      cacheBytesPerToken: this.#cacheBytesPerToken(),
      hasChatTemplate: this.#text("tokenizer.chat_template") !== undefined,
    };
  }

  /** Throws `InspectionRefused` for a number that counts nothing. */
  number(key: string): number | undefined {
    const value = this.#values.get(key);
    return typeof value === "number" ? counted(key, value) : undefined;
  }

  #text(key: string): string | undefined {
    const value = this.#values.get(key);
    return typeof value === "string" ? value : undefined;
  }

  /** A figure of the architecture, at least 1. */
  #own(name: string): number {
    const key = `${this.#architecture}.${name}`;
    const value = this.number(key) ?? missing(key);
    if (value < 1) throw new InspectionRefused(`its ${quote(key)} is ${value}`);
    return value;
  }

  #vocabulary(): number {
    const tokens = this.#values.get("tokenizer.ggml.tokens");
    if (typeof tokens !== "object" || tokens.length < 1) throw new InspectionRefused("it has no vocabulary");
    return tokens.length;
  }

  /** Keys and values of every layer that has attention. */
  #cacheBytesPerToken(): number {
    const heads = this.#perLayer("attention.head_count") ?? 0;
    const own = (name: string): number | undefined => this.number(`${this.#architecture}.${name}`);
    const keyValueHeads = this.#perLayer("attention.head_count_kv") ?? heads;
    const layers = this.#own("block_count");
    const width = heads === 0 ? 0 : this.#own("embedding_length") / (heads / layers);
    const numbers = (own("attention.key_length") ?? width) + (own("attention.value_length") ?? width);
    const bytes = Math.ceil(keyValueHeads * numbers * CACHE_NUMBER_BYTES);
    if (!Number.isSafeInteger(bytes))
      throw new InspectionRefused(
        `its ${quote(`${this.#architecture}.attention.head_count`)} and what belongs to it make a cache of ${bytes} bytes for each token`,
      );
    return bytes;
  }

  /** The sum over all layers of a figure that a file has once or for each layer. */
  #perLayer(name: string): number | undefined {
    const key = `${this.#architecture}.${name}`;
    const value = this.#values.get(key);
    if (typeof value === "object") return value.numbers?.reduce((sum, each) => sum + counted(key, each), 0);
    const each = this.number(key);
    return each && each * this.#own("block_count");
  }
}

/** Throws `InspectionRefused` that names the key. */
function counted(key: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new InspectionRefused(`its ${quote(key)} is ${value}, and no whole number from 0 on`);
}

const missing = (key: string): never => {
  throw new InspectionRefused(`it lacks ${quote(key)}: it is no model that writes text`);
};

/** Counts the weights, and throws `InspectionRefused` when they do not lie inside the file. */
function readWeights(
  reader: GgufReader,
  { tensors, alignment, size }: { readonly tensors: number; readonly alignment: number; readonly size: number },
): Pick<TextModel, "parameters" | "quantization"> {
  if (alignment < 1 || alignment > 65_536) throw new InspectionRefused(`its tensors are aligned to ${alignment} bytes`);
  const bytesOf = new Map<string, number>();
  let parameters = 0;
  let end = 0;
  for (let i = 0; i < tensors; i += 1) {
    const name = reader.string();
    const dimensions = reader.u32();
    if (dimensions > MAX_DIMENSIONS) throw new InspectionRefused(`tensor ${quote(name)} has ${dimensions} dimensions`);
    let count = 1;
    for (let d = 0; d < dimensions; d += 1) count *= reader.u64();
    const number = reader.u32();
    const type = GGUF_TYPES.get(number);
    if (type === undefined)
      throw new InspectionRefused(`tensor ${quote(name)} has the type ${number}, which is not known`);
    const bytes = Math.ceil(count / type.values) * type.bytes;
    end = Math.max(end, reader.u64() + bytes);
    parameters += count;
    bytesOf.set(type.name, (bytesOf.get(type.name) ?? 0) + bytes);
  }
  const start = Math.ceil(reader.position / alignment) * alignment;
  if (!(start + end <= size))
    throw new InspectionRefused(`the file is cut: its tensors end at byte ${start + end} and it has ${size}`);
  const [most] = [...bytesOf].toSorted(([, a], [, b]) => b - a);
  return { parameters, quantization: most?.[0] ?? missing("tensors") };
}
