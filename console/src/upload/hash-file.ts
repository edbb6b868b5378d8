import type { HashMessage } from "./hash-worker.ts";

/** SHA-256 of a file in hexadecimal, made beside the page, so that it stays quick. Throws when the file cannot be read. */
export function hashFile(
  file: File,
  { onProgress, signal }: { readonly onProgress: (done: number) => void; readonly signal: AbortSignal },
): Promise<string> {
  const worker = new Worker(new URL("./hash-worker.ts", import.meta.url), { type: "module" });
  const digest = new Promise<string>((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    worker.addEventListener("error", () => reject(new Error("the hash could not be computed")));
    worker.addEventListener("message", ({ data }: MessageEvent<HashMessage>) => {
      if (data.kind === "progress") onProgress(data.done);
      else if (data.kind === "digest") resolve(data.sha256);
      else reject(new Error(`${file.name} cannot be read: ${data.why}`));
    });
    worker.postMessage(file);
  });
  return digest.finally(() => worker.terminate());
}
