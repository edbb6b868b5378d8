import { datatypeOf, TENSOR_STORES, type Datatype, type TensorStore } from "./datatypes.ts";
import {
  checkExternal,
  EXTERNAL_REASON,
  readExternalEntry,
  type ExternalEntries,
  type ExternalFiles,
} from "./external-data.ts";
import { quote, InspectionRefused } from "../inspection-refused.ts";
import { MAX_KEPT_INTEGERS, type ConstantFacts } from "./batching/graph-facts.ts";
import { WIRE, type WireReader } from "./wire-reader.ts";

/** TensorProto's other fields. */
const FIELD = {
  dims: 1,
  dataType: 2,
  segment: 3,
  name: 8,
  rawData: 9,
  docString: 12,
  externalData: 13,
  dataLocation: 14,
} as const;

const STORE_BY_FIELD = new Map<number, (typeof TENSOR_STORES)[number]>(
  TENSOR_STORES.map((store) => [store.field, store]),
);

/** What a tensor says of itself and what is there. */
interface Found {
  name: string;
  elements: number;
  datatype: number;
  rawBytes: number | undefined;
  /** Its raw data, when they are few. */
  raw: Uint8Array | undefined;
  /** Its whole numbers, when they are few and not raw. */
  readonly numbers: number[];
  readonly dims: number[];
  readonly counts: Map<TensorStore, number>;
  readonly external: ExternalEntries;
  /** Index of its first string that is not UTF-8. */
  brokenText: number | undefined;
}

/** A tensor as the graph's checks need it. */
export interface SkimmedTensor extends ConstantFacts {
  readonly name: string;
}

const INT32 = 6;
const INT64 = 7;
const WHOLE_NUMBERS = new Set(["int32_data", "int64_data"]);
/** No file: a tensor of an attribute must be written out. */
const NO_FILES: ExternalFiles = new Map();

/**
 * Walks a TensorProto that ends at `end` and returns its name, its shape and, of a short list of whole numbers, its
 * values. Refuses one whose bytes lie outside the file and outside the `files` beside it, and one whose shape does not fit
 * its bytes: a runtime that believed the shape would read past them, or reserve what they claim.
 */
export function readTensor(reader: WireReader, end: number, files: ExternalFiles = NO_FILES): SkimmedTensor {
  const external = { entries: new Map<string, string>(), isAnnounced: false };
  const found: Found = {
    name: "",
    elements: 1,
    datatype: 0,
    rawBytes: undefined,
    raw: undefined,
    numbers: [],
    dims: [],
    counts: new Map(),
    external,
    brokenText: undefined,
  };
  while (reader.next(end)) {
    switch (reader.field) {
      case FIELD.dims:
        reader.integers("a tensor's dimension", (length) => {
          if (length < 0) throw new InspectionRefused(`tensor ${quote(found.name)} has a dimension of ${length}`);
          found.elements *= length;
          found.dims.push(length);
        });
        break;
      case FIELD.dataType:
        found.datatype = reader.integer("a tensor's datatype");
        break;
      case FIELD.segment:
        throw new InspectionRefused("a tensor is written in segments, which no runtime reads");
      case FIELD.name:
        found.name = reader.text("a tensor's name");
        break;
      case FIELD.rawData:
        ({ length: found.rawBytes, bytes: found.raw } = reader.smallBytes(
          "a tensor's raw_data",
          8 * MAX_KEPT_INTEGERS,
        ));
        break;
      case FIELD.docString:
        reader.skipText("a tensor's doc_string");
        break;
      case FIELD.externalData:
        readExternalEntry(reader, external);
        break;
      case FIELD.dataLocation:
        external.isAnnounced = isExternal(reader.integer("a tensor's data_location"));
        break;
      default:
        count(reader, found);
    }
  }
  if (found.brokenText !== undefined) throw notUtf8(`element ${found.brokenText} of tensor ${quote(found.name)}`);
  if (external.isAnnounced || external.entries.size > 0) checkBeside(found, files);
  else checkSize(found);
  return { name: found.name, dims: found.dims, integers: integersOf(found) };
}

function integersOf({ datatype, dims, elements, raw, numbers }: Found): readonly number[] | undefined {
  if ((datatype !== INT32 && datatype !== INT64) || dims.length > 1 || elements > MAX_KEPT_INTEGERS) return undefined;
  if (!raw) return numbers.length === elements ? numbers : undefined;
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  return Array.from({ length: elements }, (_, i) =>
    datatype === INT64 ? Number(view.getBigInt64(i * 8, true)) : view.getInt32(i * 4, true),
  );
}

/** DEFAULT or EXTERNAL. Any other value is one that a parser may cut down to one of them. */
function isExternal(location: number): boolean {
  if (location !== 0 && location !== 1) throw new InspectionRefused(EXTERNAL_REASON);
  return location === 1;
}

function checkBeside({ name, elements, datatype, rawBytes, counts, external }: Found, files: ExternalFiles): void {
  const bits = knownType(name, datatype).bits;
  const needed = bits === undefined ? undefined : Math.ceil((elements * bits) / 8);
  checkExternal({ name, needed, hasOwnBytes: rawBytes !== undefined || counts.size > 0 }, external, files);
}

function knownType(name: string, datatype: number): Datatype {
  const type = datatypeOf(datatype);
  if (!type) throw new InspectionRefused(`tensor ${quote(name)} has the unknown datatype ${datatype}`);
  return type;
}

function count(reader: WireReader, found: Found): void {
  const store = STORE_BY_FIELD.get(reader.field);
  if (!store) return reader.skip();
  const before = found.counts.get(store.name) ?? 0;
  if (store.wire === WIRE.BYTES) {
    if (reader.label("a tensor's string") === undefined) found.brokenText ??= before;
    found.counts.set(store.name, before + 1);
  } else if (WHOLE_NUMBERS.has(store.name) && found.elements <= MAX_KEPT_INTEGERS) {
    let added = 0;
    reader.integers(`a tensor's ${store.name}`, (value) => {
      added += 1;
      // The shape may follow the numbers, so their count alone says when there are too many to keep.
      if (found.numbers.length <= MAX_KEPT_INTEGERS) found.numbers.push(value);
    });
    found.counts.set(store.name, before + added);
  } else found.counts.set(store.name, before + reader.countNumbers(`a tensor's ${store.name}`, store.wire));
}

function checkSize({ name, elements, datatype: number, rawBytes, counts }: Found): void {
  const type = knownType(name, number);
  if (rawBytes !== undefined) {
    const needed = type.bits === undefined ? 0 : Math.ceil((elements * type.bits) / 8);
    if (needed !== rawBytes) throw misfit(name, type, `its shape needs ${needed} bytes and it has ${rawBytes}`);
  } else if (type.perElement !== undefined) {
    const needed = elements * type.perElement;
    const present = counts.get(type.store) ?? 0;
    if (needed !== present)
      throw misfit(name, type, `its shape needs ${needed} numbers in ${type.store} and it has ${present}`);
  }
}

/** The runtime writes U+FFFD for what is not UTF-8, so that two such labels would be one. */
export const notUtf8 = (what: string): InspectionRefused =>
  new InspectionRefused(`${what} is a text that is not UTF-8: write the labels in UTF-8 and export again`);

const misfit = (name: string, type: Datatype, why: string): InspectionRefused =>
  new InspectionRefused(`tensor ${quote(name)} (${type.onnx}): ${why}`);
