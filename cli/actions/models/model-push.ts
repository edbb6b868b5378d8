import { declareVersion, type ModelVersion } from "../../../shared/api/v1/models.ts";
import { MAX_SAMPLES_BYTES, SAMPLES_FILE } from "../../../shared/protocol/model-files/bundle.ts";
import { usageFailure } from "../../failure.ts";
import { encoderLine } from "../../models/encoder-line.ts";
import { findFiles, type LocalBundle } from "../../models/find-files.ts";
import { variantLine } from "../../models/variant-line.ts";
import { moveAlias, pushVersion, waitForCheck } from "../../models/push-version.ts";
import { readSigner, signVersion } from "../../models/sign-version.ts";
import { checkSamples } from "../../models/samples/check-samples.ts";
import { readSamples, type Samples } from "../../models/samples/read-samples.ts";
import { parseModelReference } from "../../models/reference.ts";
import { isMachineFormat, printRaw } from "../../output/format.ts";
import { encoderMemMiB } from "../../../shared/text/encoder-model.ts";
import { defaultCapacity, textMemMiB } from "../../../shared/text/text-model.ts";
import { formatBytes, formatCount } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";

const MAX_SHOWN = 10;

export interface PushOptions {
  /** May be left out when the folder names the model. */
  readonly model?: string;
  /** The graph in a folder. */
  readonly main?: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly metric?: Readonly<Record<string, string>>;
  readonly alias?: string;
  /** A file of `numpy.savez` with inputs and the outputs that the trainer saw. */
  readonly check?: string;
  /** File of the private key that signs the version. */
  readonly sign?: string;
  /** The oldest release that nodes still take when they have taken this one. */
  readonly floor?: number;
}

export async function pushModel(run: CommandContext, file: string, options: PushOptions): Promise<void> {
  const metrics = parseMetrics(options.metric ?? {});
  if (options.floor !== undefined && options.sign === undefined)
    throw usageFailure("--floor is part of a signature", "name the key with --sign");
  const signer = options.sign === undefined ? undefined : readSigner(options.sign);
  if (options.model !== undefined) nameOf(options.model);
  const found = await findFiles(file, options.main);
  const model = nameOf(options.model ?? found.name ?? missingName(file));
  const samples = options.check === undefined ? undefined : await readSamples(options.check);
  const bundle = samples === undefined ? found : withSamples(found, samples);
  const api = await run.api();
  for (const note of bundle.notes) run.output.say(note);
  let pushed = await pushVersion(run, api, { bundle, model, labels: options.label ?? {}, metrics });
  const name = `${model}:${pushed.version.version}`;
  run.output.say(
    pushed.uploaded
      ? `Uploaded ${file} ${pushed.isRepair ? "to repair" : "as"} ${name} (${formatBytes(pushed.version.bytes)}).`
      : `${name} has the same bytes already: nothing was sent.`,
  );
  // An alias may only name a version that is ready, and only such a version can be run, so both imply the wait.
  if (run.globals.wait || options.alias !== undefined || samples !== undefined || signer) {
    pushed = await waitForCheck(run, api, pushed);
    run.output.say(`${name} is ready.`);
    for (const output of pushed.version.outputs) sayClasses(run, output);
    for (const variant of pushed.version.variants) run.output.say(`Variant ${variantLine(variant)}.`);
    for (const note of pushed.version.notes) run.output.say(`${note}.`);
    sayText(run, pushed.version);
    sayEncoder(run, pushed.version);
    sayEngine(run, pushed.version);
  }
  if (samples !== undefined) await checkSamples(run, api, pushed.version, samples);
  if (signer) {
    const signed = await signVersion(api, pushed.version, { bundle, signer, floor: options.floor ?? 0 }, run.signal);
    pushed = { ...pushed, ...signed };
    run.output.say(`${name} is signed by the key ${signed.keyId}.`);
  }
  if (options.alias !== undefined) {
    const { moved, from } = await moveAlias(api, { model, alias: options.alias, version: pushed.version.version });
    run.output.say(
      moved
        ? `${options.alias} names ${name} now${from === undefined ? "" : `, before ${model}:${from}`}.`
        : `${options.alias} names ${name} already.`,
    );
  }
  await printPushed(run, pushed.raw, name);
  run.output.next(pushed.version.state === "ready" ? "apply -f FILE --wait" : `models inspect ${name}`);
}

/** The samples become part of the version, so that each node tries it with them; too many of them do not. */
function withSamples(bundle: LocalBundle, { path, bytes }: Samples): LocalBundle {
  if (bytes > MAX_SAMPLES_BYTES)
    return {
      ...bundle,
      notes: [
        ...bundle.notes,
        `${path} has ${formatBytes(bytes)}: samples over ${formatBytes(MAX_SAMPLES_BYTES)} are compared now and not kept with the version.`,
      ],
    };
  const others = bundle.files.filter((each) => each.path !== SAMPLES_FILE);
  return { ...bundle, files: [...others, { local: path, path: SAMPLES_FILE }] };
}

function nameOf(reference: string): string {
  const { model, version } = parseModelReference(reference);
  if (version === undefined) return model;
  throw usageFailure(
    `--model ${reference}: the version's number is assigned`,
    `give the model alone: --model ${model}`,
  );
}

function missingName(file: string): never {
  throw usageFailure(`${file} does not say what the model is called`, "name it with --model NAME");
}

/** The control plane replaces the ZipMap at the end of a classifier by a tensor. */
function sayClasses(run: CommandContext, { name, parameters }: ModelVersion["outputs"][number]): void {
  const classes = parameters?.classes;
  if (classes === undefined) return;
  const shown = classes.length > MAX_SHOWN ? [...classes.slice(0, MAX_SHOWN), "…"] : classes;
  run.output.say(
    `The ZipMap before ${name} was cut: it is a tensor with a column for each of ${classes.length} classes (${shown.join(", ")}).`,
  );
}

/** What a text model was recognised as, and what it takes to run it. */
function sayText(run: CommandContext, { text, bytes }: ModelVersion): void {
  if (text === null) return;
  const { architecture, title, parameters, quantization, contextTokens, hasChatTemplate, decoder } = text;
  const { contextTokens: usual, sequences } = defaultCapacity(text);
  const called = title === undefined ? "" : `${title}, `;
  const size = [
    ...(parameters === undefined ? [] : [`${formatCount(parameters)} parameters`]),
    ...(decoder === undefined ? [] : [`${decoder.layers} layers`]),
  ].join(", ");
  run.output.say(
    `It writes text: ${called}${architecture}, ${size}, ${quantization}, trained for ${contextTokens} tokens of context.`,
  );
  run.output.say(
    `A replica needs ${textMemMiB(text, bytes)} MiB for ${sequences} requests at once with ${usual} tokens each (${formatBytes(text.cacheBytesPerToken)} of cache a token); limits.memMiB of its deployment changes that.`,
  );
  if (!hasChatTemplate) run.output.say("It has no chat template: ask it at /v1/completions.");
}

/** What an encoder was recognised as, and what it takes to run it. */
function sayEncoder(run: CommandContext, { encoder, bytes }: ModelVersion): void {
  if (encoder === null) return;
  run.output.say(`It makes embeddings: ${encoderLine(encoder)}.`);
  run.output.say(`A replica needs ${encoderMemMiB(encoder, bytes)} MiB; limits.memMiB of its deployment changes that.`);
}

/** Where it can run. */
function sayEngine(run: CommandContext, { engine }: ModelVersion): void {
  if (engine === null) return;
  run.output.say(
    `It runs on nodes whose engine has the model ${engine.model} (${engine.kind}); \`nodes get\` shows them.`,
  );
}

async function printPushed(run: CommandContext, raw: unknown, name: string): Promise<void> {
  const { format } = run.globals;
  if (isMachineFormat(format)) return printRaw(run.output, format, raw);
  run.output.data(name);
}

/** `accuracy=0.98` as a number; refuses what is none. */
export function parseMetrics(pairs: Readonly<Record<string, string>>): Readonly<Record<string, number>> {
  const numbers = Object.fromEntries(
    Object.entries(pairs).map(([name, text]) => [name, text.trim() === "" ? Number.NaN : Number(text)]),
  );
  for (const [name, value] of Object.entries(numbers)) {
    if (!Number.isFinite(value) || !declareVersion.shape.metrics.safeParse({ [name]: value }).success) {
      throw usageFailure(`--metric ${name}=${pairs[name]}: not a number`, "give it as --metric accuracy=0.98");
    }
  }
  return numbers;
}
