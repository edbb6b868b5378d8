/**
 * A message of the runtime without what only its developers need: source file, C++ signature, path of the model.
 * At most `limit` characters on one line.
 */
export function runtimeWords(message: string, limit: number): string {
  return message
    .replaceAll(/\s+/g, " ")
    .replaceAll(/\/onnxruntime_src\/\S+ .*?\) (?=\S)/g, "")
    .replace(/^Load model from .*? failed: ?/, "")
    .replace("Name:'' ", "")
    .trim()
    .slice(0, limit);
}
