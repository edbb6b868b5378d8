const [QUOTE, BACKSLASH, COLON, COMMA] = [0x22, 0x5c, 0x3a, 0x2c] as const;
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d] as const;

interface Names {
  readonly model: string;
  readonly version: string;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * An answer of the Open Inference Protocol with other names of its model and version, its tensors as they came. `length`:
 * bytes of its JSON part, which are all where nothing is binary. Undefined when it names no model.
 */
export function renameModel(
  bytes: Uint8Array,
  length: number,
  { model, version }: Names,
): { readonly bytes: Uint8Array; readonly headerLength: number } | undefined {
  const found = namesIn(bytes.subarray(0, length));
  if (found.model === undefined) return undefined;
  const [ownModel, ownVersion] = [JSON.stringify(model), JSON.stringify(version)];
  const changes =
    found.version === undefined
      ? [{ ...found.model, text: `${ownModel},"model_version":${ownVersion}` }]
      : [
          { ...found.model, text: ownModel },
          { ...found.version, text: ownVersion },
        ].toSorted((a, b) => a.start - b.start);
  const parts: Uint8Array[] = [];
  let from = 0;
  for (const { start, end, text } of changes) {
    parts.push(bytes.subarray(from, start), new TextEncoder().encode(text));
    from = end;
  }
  parts.push(bytes.subarray(from));
  const renamed = Buffer.concat(parts);
  return { bytes: renamed, headerLength: length + renamed.byteLength - bytes.byteLength };
}

/** Where the values of these two members of the outermost object are. Most engines send them first; the scan ends with both. */
function namesIn(json: Uint8Array): { readonly model: Range | undefined; readonly version: Range | undefined } {
  let model: Range | undefined;
  let version: Range | undefined;
  let depth = 0;
  let key = "";
  /** Where the value of `key` begins, while it is one of the outermost object. */
  let valueAt: number | undefined;
  const endValue = (at: number): void => {
    if (valueAt === undefined || depth !== 1) return;
    if (key === "model_name") model = { start: valueAt, end: trimmed(json, valueAt, at) };
    else if (key === "model_version") version = { start: valueAt, end: trimmed(json, valueAt, at) };
    valueAt = undefined;
  };
  for (let at = 0; at < json.byteLength && !(model && version); at += 1) {
    switch (json[at] ?? 0) {
      case QUOTE: {
        const end = endOfString(json, at);
        if (depth === 1 && valueAt === undefined) key = new TextDecoder().decode(json.subarray(at + 1, end));
        at = end;
        break;
      }
      case COLON:
        if (depth === 1 && valueAt === undefined) valueAt = at + 1;
        break;
      case COMMA:
        endValue(at);
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        depth += 1;
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        endValue(at);
        depth -= 1;
        break;
      default:
        break;
    }
  }
  return { model, version };
}

/** The place of the closing quote. */
function endOfString(json: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < json.byteLength && json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1;
  return at;
}

function trimmed(json: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && (json[at - 1] ?? 0) <= 0x20) at -= 1;
  return at;
}
