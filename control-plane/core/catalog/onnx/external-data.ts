import { quote, InspectionRefused } from "../inspection-refused.ts";
import type { WireReader } from "./wire-reader.ts";

/**
 * Files beside the graph in which its tensors may lie: location, as the graph writes it, → length in bytes. It is an
 * allow-list: what is not in it is refused, so nothing else needs a rule.
 */
export type ExternalFiles = ReadonlyMap<string, number>;

/** What one tensor says of bytes in another file. */
export interface ExternalEntries {
  readonly entries: Map<string, string>;
  /** Whether `data_location` says that they lie there. */
  isAnnounced: boolean;
}

const KEYS = new Set(["location", "offset", "length", "checksum"]);
const NUMBER = /^[0-9]{1,15}$/;
/** Written by the runtime for tensors that it shares inside one process. */
const MEMORY_ADDRESS = "_ORT_MEM_ADDR_";

export const EXTERNAL_REASON =
  "a tensor lies in another file (external data): push that file together with the graph, or save the model as one file, for example with onnx.save(model, path, save_as_external_data=False)";

/** The files of a bundle as its graph `main` may name them: relative to its folder, and inside it. */
export function externalFilesOf(
  main: string,
  files: readonly { readonly name: string; readonly bytes: number }[],
): ExternalFiles {
  const folder = main.slice(0, main.lastIndexOf("/") + 1);
  const beside = files.filter(({ name }) => name !== main && name.startsWith(folder));
  return new Map(beside.map(({ name, bytes }) => [name.slice(folder.length), bytes]));
}

/** Reads one StringStringEntryProto of a tensor's `external_data`. */
export function readExternalEntry(reader: WireReader, { entries }: ExternalEntries): void {
  const end = reader.enter("a tensor's external_data");
  let key = "";
  let value = "";
  while (reader.next(end)) {
    if (reader.field === 1) key = reader.text("a key of external data");
    else if (reader.field === 2) value = reader.text("a value of external data");
    else reader.skip();
  }
  if (value.includes(MEMORY_ADDRESS))
    throw new InspectionRefused(
      "a tensor claims to lie in memory (_ORT_MEM_ADDR_), which no file may: export the model again",
    );
  if (!KEYS.has(key)) throw new InspectionRefused(`a tensor's external data has the unknown key ${quote(key)}`);
  if (entries.has(key)) throw new InspectionRefused(`a tensor's external data has the key ${quote(key)} twice`);
  entries.set(key, value);
}

/**
 * Refuses a tensor whose bytes do not lie wholly inside one of `files`. `needed` is what its shape and datatype ask for,
 * in bytes; undefined when they do not say (strings).
 */
export function checkExternal(
  tensor: { readonly name: string; readonly needed: number | undefined; readonly hasOwnBytes: boolean },
  { entries, isAnnounced }: ExternalEntries,
  files: ExternalFiles,
): void {
  const location = entries.get("location") ?? "";
  const size = files.get(location);
  if (!isAnnounced || location === "" || size === undefined) throw missing(tensor.name, location, files);
  const what = `tensor ${quote(tensor.name)} in ${quote(location)}`;
  if (tensor.hasOwnBytes) throw new InspectionRefused(`${what}: it has bytes of its own, too`);
  if (tensor.needed === undefined) throw new InspectionRefused(`${what}: strings may not lie in another file`);
  const offset = numberOf(entries, "offset", what) ?? 0;
  const length = numberOf(entries, "length", what) ?? tensor.needed;
  if (length !== tensor.needed)
    throw new InspectionRefused(`${what}: its shape needs ${tensor.needed} bytes and it names ${length}`);
  if (offset + length > size)
    throw new InspectionRefused(`${what}: bytes ${offset} to ${offset + length} are named, and the file has ${size}`);
}

function missing(name: string, location: string, files: ExternalFiles): InspectionRefused {
  if (files.size === 0)
    return new InspectionRefused(
      location === "" ? EXTERNAL_REASON : `${EXTERNAL_REASON}; tensor ${quote(name)} names ${quote(location)}`,
    );
  const known = [...files.keys()].slice(0, 5).map(quote).join(", ");
  return new InspectionRefused(
    `tensor ${quote(name)} lies in ${location === "" ? "another file without a name" : quote(location)} (external data), which is not a file of the bundle beside its graph: there are ${known}`,
  );
}

function numberOf(entries: ReadonlyMap<string, string>, key: string, what: string): number | undefined {
  const text = entries.get(key);
  if (text === undefined) return undefined;
  if (!NUMBER.test(text))
    throw new InspectionRefused(`${what}: its ${key} is ${quote(text)}, which is no number of bytes`);
  return Number(text);
}
