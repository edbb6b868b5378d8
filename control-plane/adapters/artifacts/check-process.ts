import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../../shared/base/clock.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { artifactDigest } from "../../../shared/protocol/model-files/manifest.ts";
import { checkResult, type CheckResult } from "../../model-inspector/messages.ts";
import { accuracyFault } from "../../core/catalog/variants/accuracy-gate.ts";
import type { ModelCheck, UploadedBundle } from "../../ports/catalog/artifacts.ts";
import type { CheckedVariant } from "../../ports/catalog/catalog.ts";
import { childEnvironment, converse, type Ended } from "./child-output.ts";
import { type TrialFigures, type TrialSettings, tryVariants } from "./variant-trial.ts";

type Accepted = Extract<CheckResult, { kind: "accepted" }>;

const PROGRAM = fileURLToPath(new URL("../../model-inspector/main.ts", import.meta.url));

/** One check reads 1 MiB at a time; the rest of the heap is for names, which the inspection bounds at 16 MiB. */
const MAX_HEAP_MIB = 256;

/**
 * A slow disk reads 16 MiB/s. A process takes 0.2 s to start; with a load of 25 on two cores a small model was not checked after
 * 60 s, and what is late here is refused for good.
 */
const deadlineFor = (bytes: number): number => 180_000 + (1_000 * bytes) / (16 * 1024 ** 2);

export interface CheckProcessParts {
  readonly clock: Clock;
  /** Ms that the check of so many bytes may take. */
  readonly deadlineMs?: (bytes: number) => number;
  /** Of the comparison of variants. */
  readonly trial?: TrialSettings;
  readonly logger?: Pick<Logger, "warn">;
}

/** Runs each check in a child process with a heap limit and a deadline that ends in SIGKILL. */
export class CheckProcess implements ModelCheck {
  readonly #clock: Clock;
  readonly #deadlineMs: (bytes: number) => number;
  readonly #trial: TrialSettings;
  readonly #logger: Pick<Logger, "warn"> | undefined;
  #hasWarned = false;

  constructor(parts: CheckProcessParts) {
    this.#clock = parts.clock;
    this.#deadlineMs = parts.deadlineMs ?? deadlineFor;
    this.#trial = parts.trial ?? {};
    this.#logger = parts.logger;
  }

  async check(request: UploadedBundle, signal?: AbortSignal): ReturnType<ModelCheck["check"]> {
    const result = await this.#inspect(request, signal);
    if (result.kind !== "accepted") return result;
    const { variants, ...checked } = result.checked;
    if (variants === undefined) return { kind: "accepted", checked };
    const { found, inactive } = await tryVariants(request, result.checked, {
      ...this.#trial,
      clock: this.#clock,
      signal,
    });
    this.#warnOf(inactive);
    if (typeof found === "string") return { kind: "rejected", code: "INVALID_MODEL", reason: found };
    const judged = judgeVariants(variants, found);
    if (typeof judged === "string") return { kind: "rejected", code: "INVALID_MODEL", reason: judged };
    return { kind: "accepted", checked: { ...checked, variants: judged } };
  }

  /** Once: it is the machine's, and stays so. */
  #warnOf(inactive: readonly string[]): void {
    if (this.#hasWarned || inactive.length === 0) return;
    this.#hasWarned = true;
    this.#logger?.warn({ inactive }, "graphs that are compared at their publication are confined in part only");
  }

  async #inspect(request: UploadedBundle, signal: AbortSignal | undefined): Promise<CheckResult> {
    signal?.throwIfAborted();
    const child = spawn(process.execPath, [`--max-old-space-size=${MAX_HEAP_MIB}`, "--disable-proto=delete", PROGRAM], {
      cwd: tmpdir(),
      env: childEnvironment(),
      stdio: ["pipe", "pipe", "pipe"],
    });
    const deadlineMs = this.#deadlineMs(request.files.reduce((sum, { bytes }) => sum + bytes, 0));
    let isLate = false;
    const cancelDeadline = this.#clock.after(deadlineMs, () => {
      isLate = true;
      child.kill("SIGKILL");
    });
    const onAbort = (): boolean => child.kill("SIGKILL");
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      const ended = await converse(child, `${JSON.stringify(request)}\n`);
      signal?.throwIfAborted();
      if (isLate)
        return {
          kind: "rejected",
          code: "INVALID_MODEL",
          reason: `its check took longer than ${Math.round(deadlineMs / 1_000)} s and was stopped`,
        };
      return resultOf(request, ended);
    } finally {
      cancelDeadline();
      signal?.removeEventListener("abort", onAbort);
    }
  }
}

/** What the child says is decoded as anything from outside is: it has just read a stranger's file. */
function resultOf(request: UploadedBundle, ended: Ended): CheckResult {
  const name = `${request.model}:${request.version}`;
  if (!ended.succeeded)
    throw new SkerryError("INTERNAL", `the check of ${name} ended with ${ended.how}: ${lastLine(ended.complaint)}`);
  const result = checkResult.parse(JSON.parse(ended.output));
  if (result.kind === "accepted" && result.checked.artifact !== artifactDigest(result.checked.manifest)) {
    throw new SkerryError("INTERNAL", `the check of ${name} named its manifest wrongly`);
  }
  return result;
}

/** The variants with their figures, or why one of them is not published. */
function judgeVariants(
  { all, accuracy }: NonNullable<Accepted["checked"]["variants"]>,
  figures: readonly TrialFigures[],
): readonly CheckedVariant[] | string {
  const judged: CheckedVariant[] = [];
  for (const variant of all) {
    const found = figures.find(({ name }) => name === variant.name);
    if (found === undefined) throw new SkerryError("INTERNAL", `the comparison of variants left out ${variant.name}`);
    const fault = accuracyFault(variant.name, found, accuracy);
    if (fault !== undefined) return fault;
    const { samples, agreement, maxDifference } = found;
    judged.push({ ...variant, accuracy: { samples, agreement, maxDifference: maxDifference ?? 0 } });
  }
  return judged;
}

/** Node puts the error's own line in the middle of a trace. */
const lastLine = (text: string): string =>
  text.split("\n").find((line) => /^\s*\w*Error\b|^FATAL ERROR/.test(line)) ?? text.trim().split("\n").at(-1) ?? "";
