/** Names of models: what the API takes. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

export const isModelName = (text: string): boolean => NAME.test(text);

/** A name for a model, made of that of its file or folder. */
export function modelNameOf(fileName: string): string {
  return fileName
    .toLowerCase()
    .replace(/\.(onnx|gguf|json|ya?ml)$/, "")
    .replaceAll(/[^a-z0-9._-]+/g, "-")
    .replaceAll(/^[^a-z0-9]+|[-._]+$/g, "")
    .slice(0, 63);
}
