import { isSkerryError, messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { FairSlots } from "../../../shared/flow/fair-slots.ts";
import { editedPartId, partId } from "../../core/catalog/upload-part.ts";
import type { ArtifactStore, ModelCheck } from "../../ports/catalog/artifacts.ts";
import type { CatalogStore, CheckedModel, UploadRow } from "../../ports/catalog/catalog.ts";
import type { NewEvent } from "../../ports/events.ts";
import { reclaimFiles } from "./catalog-reclaim.ts";

/** Uploads that may wait for their check or be in it. Each costs a few hundred bytes; the limit is against a script gone wild. */
const MAX_CHECKS = 256;
/** Of one owner, so that others can publish meanwhile. */
const MAX_OF_ONE = MAX_CHECKS / 2;
/**
 * Two of one owner, so that a large file does not hold up all of its others; one is left for somebody else, since a model whose
 * warm run never ends takes its slot for minutes. More would take the processors from routing.
 */
const AT_ONCE = { count: 3, ofOne: 2 };
/** Times that the check itself may fail before the version does: a file that kills its check must not be tried without end. */
const MAX_FAILURES = 3;

/**
 * Checks of uploads, aside from the request that asked for them. A check ends in one of three ways: the version is
 * `ready`, it is `rejected`, or nothing is decided (the process stops, Postgres is away, the check broke down) and the
 * version stays `checking`, or its repair unfinished, until `begin` is called again. Three run at once, two of them of one
 * owner at most, from the fetching of their bytes to the end; further ones wait in the order in which they came.
 */
export class CatalogChecks {
  readonly #catalog: CatalogStore;
  readonly #artifacts: ArtifactStore;
  readonly #check: ModelCheck;
  readonly #logger: Logger;
  readonly #onStored: (sha256s: readonly string[]) => Promise<void>;
  readonly #running = new Map<string, { readonly owner: string; readonly end: Promise<void> }>();
  readonly #failures = new Map<string, number>();
  readonly #abort = new AbortController();
  readonly #slots = new FairSlots(AT_ONCE);

  constructor(parts: {
    catalog: CatalogStore;
    artifacts: ArtifactStore;
    check: ModelCheck;
    logger: Logger;
    /** These files, by SHA-256, are in the store now. Resolves when versions that had lost them are whole. */
    onStored: (sha256s: readonly string[]) => Promise<void>;
  }) {
    this.#onStored = parts.onStored;
    this.#catalog = parts.catalog;
    this.#artifacts = parts.artifacts;
    this.#check = parts.check;
    this.#logger = parts.logger;
  }

  /** Whether no further check of this owner can be begun now. */
  isFullFor(owner: string): boolean {
    const all = [...this.#running.values()];
    return all.length >= MAX_CHECKS || all.filter((each) => each.owner === owner).length >= MAX_OF_ONE;
  }

  get isStopped(): boolean {
    return this.#abort.signal.aborted;
  }

  has(uploadId: string): boolean {
    return this.#running.has(uploadId);
  }

  /**
   * Starts the check of an upload that is `checking`, or of a repair with all its bytes. No effect while one is under way, or
   * after `stop`. `owner`: of whom fairness is asked; left out, where it is not known any more, the model.
   */
  begin(upload: UploadRow, owner = `model ${upload.model}`): void {
    if (this.isStopped || this.#running.has(upload.id)) return;
    const end = this.#run(upload, owner).finally(() => this.#running.delete(upload.id));
    this.#running.set(upload.id, { owner, end });
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#running.values().map(({ end }) => end));
  }

  /** Ends what is under way; those versions stay `checking` and are taken up at the next start. */
  async stop(): Promise<void> {
    this.#abort.abort(new Error("the control plane stops"));
    await this.idle();
  }

  /** Never rejects. */
  async #run(upload: UploadRow, owner: string): Promise<void> {
    const release = await this.#slots.take(owner, this.#abort.signal).catch(() => undefined);
    if (!release) return;
    try {
      if ((await this.#fetch(upload)) && !this.isStopped) await this.#decide(upload);
    } finally {
      release();
    }
  }

  /** False when the bytes cannot be brought to their check now: that says nothing of them, and another attempt is due later. */
  async #fetch({ id, model, version, files }: UploadRow): Promise<boolean> {
    try {
      for (const index of files.keys()) await this.#artifacts.fetchUpload(partId(id, index), this.#abort.signal);
      return true;
    } catch (error) {
      if (!this.isStopped)
        this.#logger.warn(
          { upload: id, model, version, error: messageOf(error) },
          "the bytes of an upload could not be brought to their check; it is tried again",
        );
      return false;
    }
  }

  async #decide(upload: UploadRow): Promise<void> {
    try {
      const verdict = await this.#checkOnce(upload);
      if (!verdict) return;
      if (verdict.kind !== "accepted") await this.reject(upload, verdict.reason);
      else if (upload.repairs === undefined || upload.repairs === verdict.checked.artifact)
        await this.#accept(upload, verdict.checked);
      else await this.reject(upload, OTHER_ARTIFACT);
    } catch (error) {
      await this.#undecided(upload, error);
    }
  }

  /** Undefined when the check broke down and another attempt is due later. */
  async #checkOnce(upload: UploadRow): Promise<Awaited<ReturnType<ModelCheck["check"]>> | undefined> {
    const { id, model, version, runtime, main } = upload;
    const files = upload.files.map(({ path: name, bytes, sha256 }, index) => ({
      name,
      path: this.#artifacts.uploadPath(partId(id, index)),
      bytes,
      sha256,
    }));
    try {
      const editedPath = this.#artifacts.uploadPath(editedPartId(id));
      return await this.#check.check({ model, version, runtime, main, files, editedPath }, this.#abort.signal);
    } catch (error) {
      if (this.isStopped) return undefined;
      const failures = (this.#failures.get(id) ?? 0) + 1;
      this.#failures.set(id, failures);
      this.#logger.warn(
        { upload: id, model, version, failures, error: messageOf(error) },
        "the check of an upload broke down",
      );
      if (failures < MAX_FAILURES) return undefined;
      return {
        kind: "rejected",
        code: "INVALID_MODEL",
        reason: `its check broke down ${failures} times: ${messageOf(error)}`,
      };
    }
  }

  /** The bytes get their final name before the version becomes `ready`: what may be placed can be read. */
  async #accept(upload: UploadRow, checked: CheckedModel): Promise<void> {
    const { id, model, version, files } = upload;
    const { edited } = checked;
    for (const [index, { path, sha256 }] of files.entries())
      if (path !== edited?.path) await this.#artifacts.adopt(partId(id, index), sha256, this.#abort.signal);
    if (edited) await this.#artifacts.adopt(editedPartId(id), edited.sha256, this.#abort.signal);
    const repaired = this.#onStored(
      [checked, ...(checked.variants ?? [])].flatMap(({ manifest }) => manifest.files.map(({ sha256 }) => sha256)),
    );
    // Who waits for the end of the repair's upload finds the version whole.
    if (upload.repairs !== undefined) await repaired;
    const object = `model/${model}`;
    await this.#catalog.accept(
      id,
      checked,
      upload.repairs === undefined
        ? {
            type: "Normal",
            reason: "ModelVersionReady",
            object,
            message: `${model}:${version} was checked and may be placed${describeEdit(checked)}`,
          }
        : {
            type: "Normal",
            reason: "ModelRepaired",
            object,
            message: `the bytes of ${model}:${version} came again, were checked and are in the artifact store`,
          },
    );
    await this.#forget(upload);
  }

  /** Ends an upload without a version. Throws when Postgres is away; then nothing has changed. */
  async reject(upload: UploadRow, reason: string): Promise<void> {
    const { id, model, version } = upload;
    const isRepair = upload.repairs !== undefined;
    await this.#catalog.reject(id, reason, {
      type: "Warning",
      reason: isRepair ? "ModelRepairFailed" : "ModelVersionRejected",
      object: `model/${model}`,
      message: isRepair
        ? `${model}:${version} was not repaired: ${reason}`
        : `${model}:${version} was rejected: ${reason}`,
    } satisfies NewEvent);
    await this.#forget(upload);
  }

  async #forget({ id, files }: UploadRow): Promise<void> {
    this.#failures.delete(id);
    for (const index of files.keys()) await this.#artifacts.discardUpload(partId(id, index));
    await this.#artifacts.discardUpload(editedPartId(id));
  }

  /** The verdict could not be written. Either the model was deleted meanwhile, or the sweep tries again. */
  async #undecided(upload: UploadRow, error: unknown): Promise<void> {
    const { id, model, version, files } = upload;
    try {
      if ((await this.#catalog.upload(id)) === null) {
        await this.#forget(upload);
        const digests = files.map(({ sha256 }) => sha256);
        await reclaimFiles({ catalog: this.#catalog, artifacts: this.#artifacts }, digests);
        return;
      }
    } catch (asking) {
      if (!isSkerryError(asking))
        this.#logger.error({ upload: id, error: messageOf(asking) }, "an upload could not be cleared away");
    }
    this.#logger.warn(
      { upload: id, model, version, error: messageOf(error) },
      "the verdict on an upload could not be kept; it is checked again",
    );
  }
}

const OTHER_ARTIFACT =
  "this control plane makes another artifact of the same files than the one that published it did; delete the version and push it as a new one";

/** What was changed in the graph, and what its publisher should know; empty when there is nothing. */
function describeEdit({ outputs, inputs, notes }: CheckedModel): string {
  const list = new Intl.ListFormat("en");
  const cut = outputs.filter(({ parameters }) => parameters?.classes !== undefined).map(({ name }) => name);
  const optional = inputs.filter(({ parameters }) => parameters?.optional === true).map(({ name }) => name);
  const sentences = [
    ...(cut.length === 0
      ? []
      : [`the ZipMap before ${list.format(cut)} was cut: it is a tensor with a column for each class`]),
    ...(optional.length === 0 ? [] : [`${list.format(optional)} may be left out`]),
    ...notes,
  ];
  return sentences.map((sentence) => `; ${sentence}`).join("");
}
