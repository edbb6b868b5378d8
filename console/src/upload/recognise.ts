import type { Chosen } from "./chosen-files.ts";
import type { RecogniseAnswer, RecogniseRequest } from "./recognise-worker.ts";

/** Looks into files for minutes at most: of a graph only what names its tensors is read. */
const LOOK_MS = 120_000;

/** What was chosen is, by the rules of the command line: a version's files, or why they are none. */
export function recognise(chosen: Chosen, main?: string): Promise<RecogniseAnswer> {
  const worker = new Worker(new URL("./recognise-worker.ts", import.meta.url), { type: "module" });
  const answer = new Promise<RecogniseAnswer>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("the files could not be looked into in time")), LOOK_MS);
    worker.addEventListener("error", () => reject(new Error("the files could not be looked into")));
    worker.addEventListener("message", ({ data }: MessageEvent<RecogniseAnswer>) => {
      clearTimeout(timer);
      resolve(data);
    });
    worker.postMessage({ chosen, main } satisfies RecogniseRequest);
  });
  return answer.finally(() => worker.terminate());
}
