import { listed, unfit } from "./folder.ts";

/** Files that tell what a folder without an ONNX file is, and how to come from there to ONNX. */
const KINDS: readonly { readonly file: RegExp; readonly is: string; readonly fix: string }[] = [
  {
    file: /(^|\/)(adapter_model\.(safetensors|bin))$/,
    is: "an adapter (LoRA) without its base model",
    fix: "merge it into its base model, export that with `optimum-cli export onnx --model MERGED OUT` and push OUT",
  },
  {
    file: /(^|\/)(model|pytorch_model|tf_model|flax_model)(-\d+-of-\d+)?\.(safetensors|bin|h5|msgpack)$/,
    is: "a Hugging Face checkpoint: weights without a graph",
    fix: "export it with `optimum-cli export onnx --model PATH OUT` and push OUT",
  },
  {
    file: /(^|\/)saved_model\.pb$/,
    is: "a TensorFlow SavedModel",
    fix: "convert it with `python -m tf2onnx.convert --saved-model PATH --output model.onnx` and push model.onnx",
  },
  {
    file: /\.(pt|pth|pt2|ckpt)$/,
    is: "a folder with PyTorch files",
    fix: 'export the model with torch.onnx.export(model, args, "model.onnx") and push model.onnx',
  },
  {
    file: /\.(pkl|pickle|joblib)$/,
    is: "a folder with Python pickles",
    fix: "convert the model with skl2onnx.to_onnx(model, X[:1]) and push the ONNX file",
  },
  {
    file: /\.(keras|h5)$/,
    is: "a folder with a Keras model",
    fix: 'export the model with model.export("model.onnx", format="onnx") and push model.onnx',
  },
  {
    file: /\.(tflite)$/,
    is: "a folder with a TensorFlow Lite model",
    fix: "convert it with tf2onnx and push the result",
  },
  { file: /\.gguf$/, is: "a folder with a GGUF model", fix: "publish an ONNX export of the model" },
];

/** Why a folder without an ONNX file cannot be pushed: what it is, and the way to ONNX. */
export function noGraph(root: string, paths: readonly string[]): Error {
  for (const { file, is, fix } of KINDS) {
    const found = paths.filter((path) => file.test(path));
    if (found.length > 0)
      return unfit(`${root} is ${is} (${listed(found)})`, "no file of it ends in .onnx", fix.replaceAll("PATH", root));
  }
  return unfit(
    `${root} holds no ONNX file`,
    `none of its files ends in .onnx: ${listed(paths)}`,
    "name the graph with --main if it has another name, or export the model as ONNX",
  );
}
