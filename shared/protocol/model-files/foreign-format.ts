/** A file that is no ONNX model. */
export interface ForeignFormat {
  /** What it is, with its article. */
  readonly is: string;
  /** What to do, as an imperative. */
  readonly fix: string;
}

/** Bytes of a file's beginning that tell its format. */
export const FORMAT_HEAD_BYTES = 4_096;

const AS_ONNX = "export the model as ONNX";
const FROM_TORCH =
  'load the model in Python and export it with torch.onnx.export(model, args, "model.onnx"), then push model.onnx';
const FROM_SKLEARN =
  "load the model in Python, convert it with skl2onnx.to_onnx(model, X[:1]), write the bytes of SerializeToString() to model.onnx, then push that";
const FROM_KERAS = 'load the model in Python and export it with model.export("model.onnx", format="onnx")';
const FROM_BOOSTER = (name: string, function_: string): string =>
  `load the model in Python and convert it with onnxmltools.${function_} (${name}), then push the ONNX file`;

const bytesOf = (text: string): readonly number[] => Array.from(text, (letter) => letter.codePointAt(0) ?? 0);

const GGUF_MAGIC = "GGUF";

/** Whether a file is a text model in GGUF, by its first bytes. */
export const isGguf = (head: Uint8Array): boolean => bytesOf(GGUF_MAGIC).every((byte, at) => head[at] === byte);

/** Formats that their first bytes tell, whatever follows. */
const BY_FIRST_BYTES: readonly (ForeignFormat & { readonly at: number; readonly bytes: readonly number[] })[] = [
  { at: 0, bytes: [0x89, ...bytesOf("HDF")], is: "an HDF5 file, as older Keras writes them (.h5)", fix: FROM_KERAS },
  {
    at: 4,
    bytes: bytesOf("TFL3"),
    is: "a TensorFlow Lite model",
    fix: "convert it with `python -m tf2onnx.convert --tflite FILE --output model.onnx`",
  },
  {
    at: 4,
    bytes: bytesOf("ORTM"),
    is: "a model in ONNX Runtime's own format (.ort)",
    fix: "push the .onnx file that it was made from",
  },
  {
    at: 0,
    bytes: bytesOf(GGUF_MAGIC),
    is: "a GGUF model",
    fix: "push the file by itself, or declare the version with the runtime `gguf`",
  },
  {
    at: 0,
    bytes: bytesOf("CBM1"),
    is: "a CatBoost model",
    fix: 'save it with model.save_model("model.onnx", format="onnx")',
  },
  {
    at: 0,
    bytes: bytesOf("tree\nversion="),
    is: "a LightGBM model",
    fix: FROM_BOOSTER("LightGBM", "convert_lightgbm"),
  },
  { at: 0, bytes: bytesOf("{L\u0000"), is: "an XGBoost model", fix: FROM_BOOSTER("XGBoost", "convert_xgboost") },
  { at: 0, bytes: bytesOf("ftrt"), is: "a TensorRT engine", fix: "push the ONNX file that it was built from" },
  { at: 0, bytes: [0x93, ...bytesOf("NUMPY")], is: "a NumPy array", fix: AS_ONNX },
  {
    at: 0,
    bytes: bytesOf("version https://git-lfs"),
    is: "a Git LFS pointer instead of the file it points to",
    fix: "fetch the file with `git lfs pull`",
  },
  {
    at: 0,
    bytes: [0x1f, 0x8b],
    is: "a gzip archive, perhaps a compressed pickle of joblib",
    fix: `unpack it, or load it in Python and ${AS_ONNX}`,
  },
  {
    at: 0,
    bytes: bytesOf("<"),
    is: "HTML or XML, perhaps the error page of a download",
    fix: `open it to see what it is, and ${AS_ONNX}`,
  },
];
/** The second byte of a zlib stream at each of its levels. */
const ZLIB_LEVELS = new Set([0x01, 0x5e, 0x9c, 0xda]);
const PICKLE_PROTOCOLS = { from: 2, to: 5 };

/** What a file is in place of ONNX, when its first bytes (up to `FORMAT_HEAD_BYTES`) tell; undefined when they do not. */
export function foreignFormat(head: Uint8Array): ForeignFormat | undefined {
  const words = String.fromCharCode(...head.subarray(0, FORMAT_HEAD_BYTES));
  const [first = 0, second = 0] = head;
  if (words.startsWith("PK\u0003\u0004")) return archive(words);
  if (isSafetensors(head)) return { is: "a safetensors file: weights without a graph", fix: FROM_TORCH };
  if (first === 0x80 && second >= PICKLE_PROTOCOLS.from && second <= PICKLE_PROTOCOLS.to) return pickle(words);
  if (first === 0x78 && ZLIB_LEVELS.has(second))
    return { is: "a compressed stream, as joblib.dump writes it", fix: FROM_SKLEARN };
  const known = BY_FIRST_BYTES.find(({ at, bytes }) => bytes.every((byte, index) => head[at + index] === byte));
  if (known) return { is: known.is, fix: known.fix };
  return words.startsWith("{") ? json(words) : undefined;
}

/** The name of a ZIP's first entry tells what wrote it. */
function archive(words: string): ForeignFormat {
  const nameLength = words.charCodeAt(26) + 256 * words.charCodeAt(27);
  const name = words.slice(30, 30 + nameLength);
  if (
    /(^|\/)(data\.pkl|byteorder|version|archive_format|archive_version)$|\.data\/|\/data\/(\d+$|weights\/|constants\/)/.test(
      name,
    )
  )
    return { is: "a PyTorch file (.pt, .pth, .bin)", fix: FROM_TORCH };
  if (/^(config|metadata)\.json$|\.weights\.h5$/.test(name)) return { is: "a Keras model (.keras)", fix: FROM_KERAS };
  if (name.endsWith(".npy")) return { is: "a NumPy archive (.npz)", fix: AS_ONNX };
  if (name.endsWith(".onnx")) return { is: "a ZIP archive with an ONNX file", fix: "unpack it and push the folder" };
  return { is: "a ZIP archive, as PyTorch and Keras write them", fix: AS_ONNX };
}

/** The modules of the pickled objects stand at its beginning, as text. */
function pickle(words: string): ForeignFormat {
  if (words.includes("\u008a\u000al\u00fc\u009cF\u00f9 j\u00a8P\u0019") || words.includes("torch"))
    return { is: "a PyTorch file in Python's pickle format", fix: FROM_TORCH };
  if (words.includes("lightgbm"))
    return { is: "a LightGBM model in a Python pickle", fix: FROM_BOOSTER("LightGBM", "convert_lightgbm") };
  if (words.includes("xgboost"))
    return { is: "an XGBoost model in a Python pickle", fix: FROM_BOOSTER("XGBoost", "convert_xgboost") };
  if (words.includes("catboost"))
    return {
      is: "a CatBoost model in a Python pickle",
      fix: 'save it with model.save_model("model.onnx", format="onnx")',
    };
  if (words.includes("sklearn")) return { is: "a scikit-learn model in a Python pickle", fix: FROM_SKLEARN };
  return { is: "a Python pickle, as pickle.dump and joblib.dump write it", fix: FROM_SKLEARN };
}

/** Eight bytes with the length of a header, and the header, which is JSON. */
function isSafetensors(head: Uint8Array): boolean {
  return head.length > 8 && head[8] === 0x7b && head.subarray(4, 8).every((byte) => byte === 0);
}

function json(words: string): ForeignFormat {
  if (words.includes('"learner"')) return { is: "an XGBoost model", fix: FROM_BOOSTER("XGBoost", "convert_xgboost") };
  return { is: "JSON", fix: AS_ONNX };
}
