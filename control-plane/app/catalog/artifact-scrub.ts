import { sleep, type Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { BundleFile } from "../../../shared/protocol/model-files/bundle.ts";
import type { ArtifactStore, FileState } from "../../ports/catalog/artifacts.ts";
import type { CatalogStore, StoredVersion } from "../../ports/catalog/catalog.ts";

/** Whether each file is there is looked at so often; it costs one call of the file system for each. */
const LOOK_MS = 60_000;
/** All files are read once in a day, one after another, at 8 MiB/s: two thirds of a TiB. */
const READ_PERIOD_MS = 24 * 3_600_000;
const READ_BYTES_PER_MS = 8_192;
/** A file that is not whole is read again so often: an operator may have put it back. */
const READ_AGAIN_MS = 10 * 60_000;

/** What is wrong with a file, for a sentence that begins with its path. */
const WORDS: Record<Exclude<FileState, "whole">, string> = {
  missing: "is missing from the artifact store",
  cut: "does not have its length in the artifact store",
  rotten: "does not have its digest in the artifact store",
};

/**
 * Notices files of published versions that are gone from the artifact store or have changed there. What it finds is
 * recorded with the version and is an event, once when it comes and once when it is gone.
 *
 * - at the start and every minute: whether each file is there, with its length
 * - once a day, from a random moment on: all files are read, one at a time beside everything else
 * - at once: files of an artifact that a transfer could not read or a node found damaged (`suspect`); files that a push
 *   brought again, which its check has read (`arrived`)
 *
 * A version that is recorded as damaged stays so until all its files were read and are whole.
 */
export class ArtifactScrub {
  readonly #catalog: Pick<CatalogStore, "storedVersions" | "setDamage">;
  readonly #artifacts: Pick<ArtifactStore, "look" | "verify">;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #abort = new AbortController();
  /** Files that have to be read as soon as possible, by SHA-256. */
  readonly #due = new Set<string>();
  /** What the last reading of a file found, and when. */
  readonly #read = new Map<string, { readonly state: FileState; readonly at: number }>();
  /** When a file that was not read yet is due. */
  readonly #firstDueAt = new Map<string, number>();
  /** The damage of each version that was recorded when it was looked at last, or that was found here. */
  readonly #known = new Map<string, string | null>();
  #reading: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();
  #cancel: () => void = () => undefined;

  constructor(parts: {
    catalog: Pick<CatalogStore, "storedVersions" | "setDamage">;
    artifacts: Pick<ArtifactStore, "look" | "verify">;
    clock: Clock;
    random: Random;
    logger: Logger;
  }) {
    this.#catalog = parts.catalog;
    this.#artifacts = parts.artifacts;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#logger = parts.logger;
  }

  start(): void {
    this.#passSoon();
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error("the control plane stops"));
    this.#cancel();
    await this.idle();
  }

  /** Resolves when nothing is looked at or read. */
  async idle(): Promise<void> {
    do {
      await this.#running;
      await this.#reading;
    } while (this.#reading);
  }

  /** The artifact could not be read, or a node found its bytes damaged: its files are read now. */
  suspect(artifact: string): void {
    this.#queue(async () => {
      const found = (await this.#catalog.storedVersions()).filter(({ artifacts }) => artifacts.includes(artifact));
      for (const { files } of found) for (const { sha256 } of files) this.#due.add(sha256);
      await this.#pass();
    });
  }

  /** These files came again, and the check of their push has read them. Resolves when that is recorded; never rejects. */
  arrived(sha256s: readonly string[]): Promise<void> {
    for (const sha256 of sha256s) this.#read.set(sha256, { state: "whole", at: this.#clock.now() });
    this.#queue(() => this.#pass());
    return this.#running;
  }

  #passSoon(): void {
    this.#queue(() => this.#pass());
    if (this.#abort.signal.aborted) return;
    this.#cancel = this.#clock.after(LOOK_MS * (0.75 + 0.5 * this.#random.next()), () => this.#passSoon());
  }

  /** One after another. Never rejects: what failed is done by the next pass. */
  #queue(work: () => Promise<void>): void {
    this.#running = this.#running.then(work).catch((error: unknown) => this.#failed(error));
  }

  async #pass(): Promise<void> {
    if (this.#abort.signal.aborted) return;
    const versions = await this.#catalog.storedVersions();
    const files = new Map(versions.flatMap((version) => version.files.map((file) => [file.sha256, file] as const)));
    for (const sha256 of this.#read.keys()) if (!files.has(sha256)) this.#read.delete(sha256);
    this.#forgetContradicted(versions);
    const states = new Map<string, FileState | "unread">();
    for (const file of files.values()) {
      const state = await this.#artifacts.look(file);
      // What comes back may be other bytes.
      if (state !== "whole") this.#read.delete(file.sha256);
      states.set(file.sha256, state === "whole" ? (this.#read.get(file.sha256)?.state ?? "unread") : state);
    }
    for (const version of versions) await this.#record(version, states);
    this.#readNext([...files.values()].filter(({ sha256 }) => !isLost(states.get(sha256))));
  }

  /** Another control plane found damage: what was read here before says nothing about that. */
  #forgetContradicted(versions: readonly StoredVersion[]): void {
    for (const { model, version, damage, files } of versions) {
      const name = `${model}:${version}`;
      if (damage !== null && this.#known.get(name) !== damage)
        for (const { sha256 } of files) this.#read.delete(sha256);
      this.#known.set(name, damage);
    }
  }

  /** Reads the file that is due, if any and if none is being read; the pass after it records what was found. */
  #readNext(files: readonly BundleFile[]): void {
    if (this.#reading || this.#abort.signal.aborted) return;
    const file = files.find(({ sha256 }) => this.#due.has(sha256)) ?? files.find((each) => this.#isDue(each));
    if (!file) return;
    const pace = (bytes: number): Promise<void> => sleep(this.#clock, bytes / READ_BYTES_PER_MS, this.#abort.signal);
    this.#reading = this.#artifacts
      .verify(file, pace)
      .then((state) => {
        this.#due.delete(file.sha256);
        this.#read.set(file.sha256, { state, at: this.#clock.now() });
        this.#reading = undefined;
        this.#queue(() => this.#pass());
      })
      .catch((error: unknown) => {
        this.#reading = undefined;
        this.#failed(error);
      });
  }

  #isDue({ sha256 }: BundleFile): boolean {
    const now = this.#clock.now();
    const read = this.#read.get(sha256);
    if (read) return now - read.at >= (read.state === "whole" ? READ_PERIOD_MS : READ_AGAIN_MS);
    const first = this.#firstDueAt.get(sha256) ?? now + READ_PERIOD_MS * this.#random.next();
    this.#firstDueAt.set(sha256, first);
    return now >= first;
  }

  async #record(of: StoredVersion, states: ReadonlyMap<string, FileState | "unread">): Promise<void> {
    const { model, version, files, damage } = of;
    const problems = files.flatMap(({ path, sha256 }) => {
      const state = states.get(sha256);
      return state === undefined || state === "whole" || state === "unread" ? [] : [`its file ${path} ${WORDS[state]}`];
    });
    const unread = files.filter(({ sha256 }) => states.get(sha256) === "unread");
    if (problems.length === 0 && damage !== null && unread.length > 0) {
      for (const { sha256 } of unread) this.#due.add(sha256);
      return;
    }
    const found = problems.length === 0 ? null : problems.join(", and ");
    if (found === damage) return;
    const object = `model/${model}`;
    const name = `${model}:${version}`;
    const message = `${name} cannot be sent to nodes: ${found ?? ""}; push the same files again`;
    this.#known.set(name, found);
    await this.#catalog.setDamage(
      { model, version },
      found,
      found === null
        ? { type: "Normal", reason: "ModelBytesRestored", object, message: `the bytes of ${name} are whole again` }
        : { type: "Warning", reason: "ModelBytesDamaged", object, message },
    );
  }

  #failed(error: unknown): void {
    if (this.#abort.signal.aborted) return;
    this.#logger.warn(
      { error: messageOf(error) },
      "the artifact store could not be looked through; the next pass does it",
    );
  }
}

const isLost = (state: FileState | "unread" | undefined): boolean => state === "missing" || state === "cut";
