import type { ModelFolder } from "./folder.ts";

// Numbers of fields in onnx.proto (github.com/onnx/onnx).
const GRAPH = 7;
const INITIALIZER = 5;
const INPUT = 11;
const OUTPUT = 12;
const NAME = 1;
const EXTERNAL_DATA = 13;
const KEY = 1;
const VALUE = 2;

/** Where the bytes of a graph lie. */
type Readable = Pick<ModelFolder, "size" | "read">;

const BYTES = 2;
const MAX_ENTRY_BYTES = 4_096;
const WINDOW_BYTES = 64 * 1_024;

/**
 * Files in which the tensors of an ONNX file lie (external data), as the graph names them: the side files to send along.
 * Never throws for what is no ONNX file: the control plane's check says what is wrong with it.
 */
export function externalLocations(folder: Readable, path: string): readonly string[] {
  const found = new Set<string>();
  const source = new Source(folder, path);
  for (const graph of source.fields(0, source.size, GRAPH))
    for (const tensor of source.fields(graph.start, graph.end, INITIALIZER))
      for (const entry of source.fields(tensor.start, tensor.end, EXTERNAL_DATA))
        if (source.text(entry, KEY) === "location") found.add(source.text(entry, VALUE));
  return [...found].filter((location) => location !== "");
}

/** Names of what a graph takes and puts out, initializers among the first perhaps. Both are empty for what is no ONNX file. */
export function graphNames(
  folder: Readable,
  path: string,
): { readonly inputs: readonly string[]; readonly outputs: readonly string[] } {
  const source = new Source(folder, path);
  const names = (field: number): readonly string[] =>
    [...source.fields(0, source.size, GRAPH)].flatMap((graph) =>
      [...source.fields(graph.start, graph.end, field)].map((value) => source.text(value, NAME)),
    );
  return { inputs: names(INPUT), outputs: names(OUTPUT) };
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Protobuf's wire format, read through a window. Stops where it stops to make sense. */
class Source {
  readonly size: number;
  readonly #folder: Readable;
  readonly #path: string;
  #window: Uint8Array = new Uint8Array();
  #from = 0;

  constructor(folder: Readable, path: string) {
    this.#folder = folder;
    this.#path = path;
    this.size = folder.size(path) ?? 0;
  }

  /** The length-delimited fields `wanted` of the message in a range. */
  *fields(start: number, end: number, wanted: number): Generator<Range> {
    let at = start;
    while (at < end) {
      const key = this.#varint(at);
      const value = this.#varint(key.next);
      const wire = key.value % 8;
      const next = { 0: value.next, 1: key.next + 8, [BYTES]: value.next + value.value, 5: key.next + 4 }[wire];
      if (next === undefined || next > end) return;
      if (wire === BYTES && Math.floor(key.value / 8) === wanted) yield { start: value.next, end: next };
      at = next;
    }
  }

  text(range: Range, field: number): string {
    const [found] = this.fields(range.start, range.end, field);
    if (!found || found.end - found.start > MAX_ENTRY_BYTES) return "";
    return new TextDecoder().decode(this.#folder.read(this.#path, found.start, found.end - found.start));
  }

  #varint(at: number): { readonly value: number; readonly next: number } {
    let value = 0;
    let next = at;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#byte(next);
      next += 1;
      value += (byte & 127) * scale;
      if (byte < 128 || next - at >= 10) return { value, next };
    }
  }

  /** 0 behind the file's end. */
  #byte(at: number): number {
    if (at < this.#from || at >= this.#from + this.#window.length) {
      this.#from = at;
      this.#window = at < this.size ? this.#folder.read(this.#path, at, WINDOW_BYTES) : new Uint8Array();
    }
    return this.#window[at - this.#from] ?? 0;
  }
}
