import { SingleBar } from "cli-progress";
import type { FitProgress } from "./fit.ts";

/** Tells the terminal how a training goes. */
export interface ProgressReport {
  /** After every batch. */
  batch(progress: FitProgress): void;
  /** After an epoch, once its accuracy is known, 0–1. */
  epoch(progress: FitProgress, heldOutAccuracy: number): void;
}

/**
 * A line per epoch on stdout. The bar goes to stderr and only to a terminal: in a log it would be
 * thousands of carriage returns.
 */
export function reportProgress(name: string, total: { epochs: number; digits: number }): ProgressReport {
  const bar = new SingleBar({
    stream: process.stderr,
    format: `${name}  epoch {epoch}/${total.epochs}  {bar}  {value}/{total} digits  loss {loss}`,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    clearOnComplete: true,
    // Training never returns to the event loop, so Ctrl-C ends the process on the spot: the bar must leave
    // the terminal with nothing to put back.
    hideCursor: false,
    linewrap: true,
  });
  const isTerminal = process.stderr.isTTY;
  const startedAtMs = performance.now();
  return {
    batch({ epoch, seen, isEpochEnd, meanLoss }) {
      if (!isTerminal) return;
      const payload = { epoch, loss: meanLoss.toFixed(3) };
      if (bar.isActive) bar.update(seen, payload);
      else bar.start(total.digits, seen, payload);
      if (isEpochEnd) bar.stop();
    },
    epoch({ epoch, meanLoss }, heldOutAccuracy) {
      const seconds = (performance.now() - startedAtMs) / 1000;
      process.stdout.write(
        `${name}  epoch ${epoch}/${total.epochs}  loss ${meanLoss.toFixed(4)}  ` +
          `held-out accuracy ${heldOutAccuracy.toFixed(4)}  ${seconds.toFixed(1)} s\n`,
      );
    },
  };
}
