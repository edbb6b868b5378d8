/** What the steps of a pipeline keep of one stream, from one of its requests to the next. */

/** Most bytes of one stream, as they lie between two requests. What a document could need is held against it at publish. */
export const MAX_KEPT_BYTES = 262_144;
/** Bytes that a number takes in it at most: seventeen digits, sign, exponent and comma. */
export const NUMBER_BYTES = 25;
/** Bytes of a key and of what belongs to it beside its rows. */
export const KEY_BYTES = 512;
/** Characters of a key. */
export const MAX_KEY_CHARACTERS = 128;

const FORMAT = 1;

/** Where one step keeps what it needs of the requests before. */
export interface StepMemory {
  /** JSON, as the step left it; undefined: nothing yet. Its schema is the step's own. */
  kept: unknown;
  /** Counts rows that came too late for their windows. */
  addLate(rows: number): void;
  /** Counts rows and keys that left before they were used, as there was no room for more. */
  addDropped(what: { readonly rows?: number; readonly keys?: number }): void;
}

/** What one request left out, to be said in its answer. */
interface LeftOut {
  readonly lateRows: number;
  readonly droppedRows: number;
  readonly droppedKeys: number;
}

/** The memory of one stream while one of its requests runs. Without bytes the stream begins. */
export class StreamMemory {
  readonly #kept: Map<string, unknown>;
  #lateRows = 0;
  #droppedRows = 0;
  #droppedKeys = 0;

  constructor(bytes?: Uint8Array) {
    this.#kept = bytes === undefined ? new Map() : decode(bytes);
  }

  /** That of a step, by its place in the document. */
  at(place: string): StepMemory {
    const kept = this.#kept;
    return {
      get kept() {
        return kept.get(place);
      },
      set kept(value) {
        kept.set(place, value);
      },
      addLate: (rows) => {
        this.#lateRows += rows;
      },
      addDropped: ({ rows = 0, keys = 0 }) => {
        this.#droppedRows += rows;
        this.#droppedKeys += keys;
      },
    };
  }

  get leftOut(): LeftOut {
    return { lateRows: this.#lateRows, droppedRows: this.#droppedRows, droppedKeys: this.#droppedKeys };
  }

  /** As it lies until the next request. Never empty. */
  encode(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify({ format: FORMAT, steps: Object.fromEntries(this.#kept) }));
  }
}

/** What another program wrote in another format is not read: the stream begins anew. */
function decode(bytes: Uint8Array): Map<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (!isObject(value) || value["format"] !== FORMAT || !isObject(value["steps"])) return new Map();
    return new Map(Object.entries(value["steps"]));
  } catch {
    return new Map();
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
