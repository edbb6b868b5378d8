import { isSkerryError } from "../../../../shared/base/errors.ts";
import { decodeRequest, type Explanation } from "../../../../shared/inference/request.ts";
import { freeBuffer } from "../../../../shared/bytes/owned-bytes.ts";
import type { Tensor } from "../../../../shared/inference/tensors/datatypes.ts";
import { type EncodedResponse, responseOf, errorResponse, runtimeFault } from "../response.ts";
import { batchKey, rowsOf, split, stack } from "./batch-rows.ts";
import type { AroundModel, PreparedRequest } from "./around-model.ts";
import { differingOutput } from "./equal-outputs.ts";
import type { ResponseSizes } from "../response-size.ts";
import type { OutputText } from "../output-text.ts";
import type { RunSharing } from "./run-sharing.ts";
import { scoredOutputs } from "../../../../shared/inference/explain/explainers.ts";
import { isDoubtful } from "../../../../shared/inference/measure-doubt.ts";
import type { AnswerDoubt } from "../../../../shared/protocol/answer-doubt.ts";
import { explainRequest } from "../../explain/explain-request.ts";
import { ASK } from "../../link/link-frame.ts";
import type { LinkRequest, LinkResponse } from "../../link/blocking-link.ts";
import type { LoadedModel } from "../model.ts";

export interface HostedModel {
  readonly model: LoadedModel;
  readonly name: string;
  readonly version: string;
  readonly sharing: RunSharing;
  readonly texts: OutputText;
  readonly responseSizes: ResponseSizes;
  /** What is done before and behind the model; absent of a graph alone. */
  readonly around?: AroundModel;
}

export interface BatchResponse extends EncodedResponse {
  /** Decoding it, the run that answered it (with all that shared it), and encoding the answer. */
  readonly computeUs: number;
  readonly decodeUs: number;
  readonly encodeUs: number;
  readonly isDoubtful?: boolean;
  /** What is kept of its stream from now on. */
  readonly kept?: Uint8Array;
}

/** A request of the link; by its kind its path may ask for an explanation. */
type Asked = Pick<LinkRequest, "body" | "headerLength"> &
  Partial<Pick<LinkRequest, "kind" | "requestId" | "timeMs" | "doubt" | "kept">>;

interface Entry {
  readonly request: PreparedRequest;
  readonly rows: number | undefined;
  /** The output by which its doubt is measured, and when it is in doubt. */
  readonly measured: { readonly output: string; readonly doubt: AnswerDoubt } | undefined;
  readonly decodeMs: number;
  runMs: number;
  encodeMs: number;
  answer: EncodedResponse | undefined;
  isDoubtful: boolean;
  kept?: Uint8Array | undefined;
}

interface ExplainEntry extends Entry {
  readonly explain: Explanation;
  readonly requestId: number;
  readonly timeMs: number;
}

/**
 * The requests that the host takes up at once. Each is decoded on its own, so a refused one does not affect the others; those
 * that fit together share a run, and when that run fails each has its own, so that only the failing one fails. A request for
 * an explanation is the last of its batch: it takes many runs, and the others are answered before it.
 */
export class Batch {
  readonly #hosted: HostedModel;
  readonly #maxRows: number;
  readonly #entries: (Entry | BatchResponse)[] = [];
  readonly #requestIds: number[] = [];
  #explained: ExplainEntry | undefined;
  #rows = 0;

  /** `maxRows`: rows that may share a run; 1 switches sharing off. */
  constructor(hosted: HostedModel, maxRows: number) {
    this.#hosted = hosted;
    this.#maxRows = hosted.sharing.isAllowed ? maxRows : 1;
  }

  /** Whether it is worth while to look for another request. */
  get hasRoom(): boolean {
    return this.#rows < this.#maxRows && this.#explained === undefined;
  }

  /** Decodes a request. `body` must stay untouched until the answers are there: tensors are views of it. */
  add({ body, headerLength, kind, requestId = 0, timeMs = 0, doubt, kept }: Asked): void {
    const before = performance.now();
    try {
      const request = this.#prepare(body, headerLength, { isExplained: kind === ASK.EXPLAIN, kept });
      this.#hosted.responseSizes.check(request);
      const { explain } = request;
      if (explain !== undefined) {
        const decodeMs = performance.now() - before;
        const nothing = { rows: undefined, measured: undefined, answer: undefined, isDoubtful: false };
        const times = { ...nothing, decodeMs, runMs: 0, encodeMs: 0 };
        this.#explained = { request, explain, requestId, timeMs, ...times };
        return;
      }
      this.#requestIds.push(requestId);
      // One that gives an optional input runs alone: for the others it has its default value.
      const isPlain = request.inputs.length === this.#hosted.model.inputs.length;
      const rows = isPlain ? rowsOf(request) : undefined;
      this.#rows += rows ?? 1;
      const decodeMs = performance.now() - before;
      const measured = doubt && measuredBy(doubt, this.#hosted.model);
      const begun = { decodeMs, runMs: 0, encodeMs: 0, answer: undefined, isDoubtful: false };
      this.#entries.push({ request, rows, measured, ...begun });
    } catch (error) {
      this.#requestIds.push(requestId);
      this.#rows += 1; // a stream of nonsense must not make a batch without end
      const decodeUs = toUs(performance.now() - before);
      this.#entries.push({ ...errorResponse(error), computeUs: decodeUs, decodeUs, encodeUs: 0 });
    }
  }

  #prepare(
    body: Uint8Array,
    headerLength: number,
    path: { readonly isExplained: boolean; readonly kept: Uint8Array | undefined },
  ): PreparedRequest {
    const { around, model } = this.#hosted;
    if (around !== undefined) return around.prepare(body, headerLength, path);
    const request = decodeRequest(body, headerLength, model, path);
    return { ...request, runs: request.outputs.map(({ name }) => name) };
  }

  /**
   * Runs what was added and sends the answers, in the order in which the requests came: those that take one run at once, an
   * explanation after them. Never rejects.
   */
  async answer(host: {
    readonly send: (answers: readonly LinkResponse[]) => void;
    readonly isCancelled: (requestId: number) => boolean;
  }): Promise<void> {
    const answers = await this.answers();
    const batchSize = answers.length;
    if (batchSize > 0)
      host.send(answers.map((answer, i) => ({ ...answer, requestId: this.#requestIds[i] ?? 0, batchSize })));
    const entry = this.#explained;
    if (entry === undefined) return;
    const { requestId } = entry;
    const answer = await this.#explain(entry, () => host.isCancelled(requestId));
    host.send([{ ...answer, requestId, batchSize: 1, isExplained: true }]);
  }

  async #explain(entry: ExplainEntry, isCancelled: () => boolean): Promise<BatchResponse> {
    const { request, explain, timeMs } = entry;
    const { model } = this.#hosted;
    const now = (): number => performance.now();
    const before = now();
    try {
      const run = (inputs: readonly Tensor[], outputs: readonly string[]): Promise<readonly Tensor[]> =>
        model.run(inputs, outputs);
      const bounds = { maxRows: this.#maxRows, timeMs, isCancelled, now };
      const tensors = await explainRequest(run, { ...request, explain }, bounds);
      this.#answer(entry, tensors, now() - before);
    } catch (error) {
      entry.runMs += now() - before;
      entry.answer = errorResponse(isSkerryError(error) ? error : runtimeFault(error, this.#hosted));
    }
    releaseAll(request.inputs);
    return finished(entry);
  }

  /** Runs what was added, but for an explanation, and answers it, in the order in which it came. Never rejects. */
  async answers(): Promise<readonly BatchResponse[]> {
    for (const group of this.#groups()) await this.#runTogether(group);
    for (const entry of this.#entries) if ("request" in entry) releaseAll(entry.request.inputs);
    return this.#entries.map((entry) => ("code" in entry ? entry : finished(entry)));
  }

  /** Requests for one run each: as many of one key as have `maxRows` rows together. */
  #groups(): Iterable<readonly Entry[]> {
    const groups: Entry[][] = [];
    const open = new Map<string, { readonly group: Entry[]; rows: number }>();
    for (const entry of this.#entries) {
      if ("code" in entry) continue;
      const { request, rows, measured } = entry;
      const isAlone = rows === undefined || this.#entries.length === 1;
      const key = isAlone ? undefined : `${batchKey(request.inputs, request.runs)} ${measured?.output ?? ""}`;
      const last = key === undefined ? undefined : open.get(key);
      if (last !== undefined && rows !== undefined && last.rows + rows <= this.#maxRows) {
        last.group.push(entry);
        last.rows += rows;
        continue;
      }
      const group = [entry];
      groups.push(group);
      if (key !== undefined && rows !== undefined) open.set(key, { group, rows });
    }
    return groups;
  }

  async #runTogether(group: readonly Entry[]): Promise<void> {
    const [first] = group;
    if (first === undefined) return;
    if (group.length === 1) return this.#runAlone(first);
    const { isAllowed } = this.#hosted.sharing;
    const before = performance.now();
    const shares = isAllowed ? await this.#share(group).catch(() => undefined) : undefined;
    const runMs = performance.now() - before;
    for (const [i, entry] of group.entries()) {
      const tensors = shares?.[i];
      if (tensors === undefined) await this.#runAlone(entry);
      else this.#answer(entry, tensors, runMs);
    }
  }

  async #share(group: readonly Entry[]): Promise<readonly (readonly Tensor[])[] | undefined> {
    const inputs = stack(group.map(({ request }) => request.inputs));
    const outputs = await this.#hosted.model.run(inputs, namesOf(group[0])).finally(() => releaseAll(inputs));
    const shares = split(
      outputs,
      group.map(({ rows }) => rows ?? 0),
    );
    const { sharing } = this.#hosted;
    if (shares === undefined) sharing.stop("an output has another number of rows than the inputs");
    else if (sharing.isSampled() && !(await this.#isRight(group, shares))) return undefined;
    return shares;
  }

  /** Repeats one of the requests alone: the second line behind the proof, in operation. */
  async #isRight(group: readonly Entry[], shares: readonly (readonly Tensor[])[]): Promise<boolean> {
    const { model, sharing } = this.#hosted;
    const last = group.length - 1;
    const request = group[last]?.request;
    if (request === undefined) return true;
    const alone = await model.run(request.inputs, namesOf(group[last]));
    const other = differingOutput(alone, shares[last] ?? []);
    if (other !== undefined) sharing.stop(`output "${other}" of a request differed from its answer alone`);
    return other === undefined;
  }

  async #runAlone(entry: Entry): Promise<void> {
    const before = performance.now();
    try {
      const tensors = await this.#hosted.model.run(entry.request.inputs, namesOf(entry));
      this.#answer(entry, tensors, performance.now() - before);
    } catch (error) {
      entry.runMs += performance.now() - before;
      entry.answer = errorResponse(isSkerryError(error) ? error : runtimeFault(error, this.#hosted));
    }
  }

  #answer(entry: Entry, tensors: readonly Tensor[], runMs: number): void {
    const before = performance.now();
    try {
      const { request, measured } = entry;
      const scores = measured && tensors[namesOf(entry).indexOf(measured.output)];
      if (measured && scores) entry.isDoubtful = isDoubtful(scores, measured.doubt);
      const asked = measured ? tensors.slice(0, request.runs.length) : tensors;
      this.#hosted.texts.check(asked, request.inputs);
      const around = this.#hosted.around?.finish(request, asked);
      entry.answer = responseOf(this.#hosted, request, around ?? { tensors: asked });
      entry.kept = around?.kept;
    } catch (error) {
      entry.answer = errorResponse(error);
    }
    entry.runMs += runMs;
    entry.encodeMs = performance.now() - before;
  }
}

/** Inputs that have been run: the answers are in memory of their own. Those that lie in the read buffer stay. */
function releaseAll(inputs: readonly Tensor[]): void {
  for (const { data } of inputs) if (!Array.isArray(data)) freeBuffer(data);
}

/** The outputs of its run: those that its answer needs, then the one by which its doubt is measured, if that is none of them. */
function namesOf(entry: Entry | undefined): readonly string[] {
  const names = entry?.request.runs ?? [];
  const { output } = entry?.measured ?? {};
  return output === undefined || names.includes(output) ? names : [...names, output];
}

/** Undefined where the model has no such output: then it is in no doubt. */
function measuredBy(doubt: AnswerDoubt, model: LoadedModel): Entry["measured"] {
  const scored = scoredOutputs(model);
  const found = doubt.output === undefined ? scored[0] : scored.find(({ name }) => name === doubt.output);
  return found && { output: found.name, doubt };
}

const toUs = (ms: number): number => Math.round(ms * 1_000);

const finished = ({ answer, decodeMs, runMs, encodeMs, isDoubtful: doubtful, kept }: Entry): BatchResponse => ({
  ...(answer ?? errorResponse(new Error("the run gave no answer"))),
  ...(doubtful && answer?.code === 0 && { isDoubtful: true }),
  ...(kept !== undefined && answer?.code === 0 && { kept }),
  computeUs: toUs(decodeMs + runMs + encodeMs),
  decodeUs: toUs(decodeMs),
  encodeUs: toUs(encodeMs),
});
