import type { Output } from "./output.ts";
import { formatBytes } from "./units.ts";

/** How far something has come, in bytes. */
export interface Progress {
  update(done: number): void;
  /** Ends the bar; must be called however the work ended. */
  stop(): void;
}

const silent: Progress = { update() {}, stop() {} };

/** A bar while a person watches; nothing otherwise, because a log has no use for two hundred percentages. */
export async function startProgress(output: Output, label: string, totalBytes: number): Promise<Progress> {
  if (!output.live) return silent;
  const { default: progress } = await import("cli-progress");
  const bar = new progress.SingleBar({
    format: `${label} {bar} {percentage}%  {done} of {all}  {rate}/s`,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 30,
    hideCursor: true,
    clearOnComplete: true,
    stopOnComplete: false,
    // Its own handler would end the process before the upload could be left in order.
    gracefulExit: false,
  });
  const startedAt = performance.now();
  const payload = (done: number): object => {
    const seconds = Math.max(0.1, (performance.now() - startedAt) / 1000);
    return { done: formatBytes(done), all: formatBytes(totalBytes), rate: formatBytes(done / seconds) };
  };
  bar.start(totalBytes, 0, { done: formatBytes(0), all: formatBytes(totalBytes), rate: "–" });
  return { update: (done) => bar.update(done, payload(done)), stop: () => bar.stop() };
}
