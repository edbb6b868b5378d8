import { readFile } from "node:fs/promises";
import { createRequire, findPackageJSON } from "node:module";
import { dirname, join } from "node:path";
import { z } from "zod";

/**
 * What the runtime takes, measured on onnxruntime-node 1.30.0 with a one-operator model for each figure: it loads and
 * runs up to opset 26 and IR version 13, and refuses 27 and 14. (Older ones are never refused: opset 7 still runs.)
 */
const MAX_OPSET = 26;
const MAX_IR_VERSION = 13;

export interface Runtime {
  readonly runtime: string;
  /** What can be executed here, as in a bundle. */
  readonly runtimes: string[];
  readonly maxOpset: number;
  readonly maxIrVersion: number;
}

const packageSchema = z.object({ version: z.string() });

/** The installed ONNX Runtime, from its package.json: this process never loads it. */
export async function installedRuntime(): Promise<Runtime> {
  const entry = createRequire(import.meta.url).resolve("onnxruntime-node");
  const { version } = await nearestPackage(dirname(entry));
  const runtimes = ["onnx", "embed", "generate", "pipeline", ...(hasLlama() ? ["gguf"] : [])];
  return { runtime: `onnxruntime ${version}`, runtimes, maxOpset: MAX_OPSET, maxIrVersion: MAX_IR_VERSION };
}

/** Whether node-llama-cpp has a binary for this platform: it is a package of its own, which npm leaves out elsewhere. */
function hasLlama(): boolean {
  const platform = process.platform === "darwin" ? "mac" : process.platform === "win32" ? "win" : process.platform;
  const arch = process.arch === "arm" ? "armv7l" : process.arch;
  const metal = platform === "mac" && arch === "arm64" ? "-metal" : "";
  try {
    const entry = createRequire(import.meta.url).resolve("node-llama-cpp");
    return findPackageJSON(`@node-llama-cpp/${platform}-${arch}${metal}`, entry) !== undefined;
  } catch {
    return false;
  }
}

async function nearestPackage(directory: string): Promise<z.infer<typeof packageSchema>> {
  try {
    return packageSchema.parse(JSON.parse(await readFile(join(directory, "package.json"), "utf8")));
  } catch (error) {
    const parent = dirname(directory);
    if (parent === directory) throw new Error("onnxruntime-node is not installed", { cause: error });
    return nearestPackage(parent);
  }
}
