import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { parse } from "yaml";
import { type ModelVersion, modelVersion } from "../../shared/api/v1/models.ts";
import { canonicalJson, digestOf } from "../../shared/base/digest.ts";
import { messageOf } from "../../shared/base/errors.ts";
import { filesOfGraph } from "../../shared/model-files/graph-files.ts";
import type { Runtime } from "../../shared/protocol/model-files/bundle.ts";
import { engineDocument } from "../../shared/protocol/model-files/engine-document.ts";
import { mainFile, type Manifest, manifest as manifestSchema } from "../../shared/protocol/model-files/manifest.ts";
import { keyIdOf, releaseText } from "../../shared/protocol/model-files/release.ts";
import { REFERENCE, VARIANTS_FILE, variantsDocument } from "../../shared/protocol/model-files/variants.ts";
import { type ApiClient, decode } from "../api/client.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { type LocalBundle, readPart } from "./find-files.ts";
import { hashFile } from "./hash-file.ts";
import { versionPath } from "./reference.ts";

/** A private key that signs versions. It stays in its file. */
export interface Signer {
  readonly publicKey: string;
  sign(text: string): string;
}

/** Reads a private key of `skerry signing-keys generate`. Fails on any other, without a word of its content. */
export function readSigner(file: string): Signer {
  let key: KeyObject;
  try {
    key = createPrivateKey(readFileSync(file, "utf8"));
  } catch (error) {
    const isMissing = Error.isError(error) && "code" in error && error.code === "ENOENT";
    throw notAKey(file, isMissing ? "there is no such file" : "it holds no private key in PEM", error);
  }
  if (key.asymmetricKeyType !== "ed25519") throw notAKey(file, `it is a key of the kind ${key.asymmetricKeyType}`);
  const { x = "" } = createPublicKey(key).export({ format: "jwk" });
  return { publicKey: x, sign: (text) => sign(null, Buffer.from(text), key).toString("base64url") };
}

const notAKey = (file: string, why: string, cause?: unknown): CliFailure =>
  new CliFailure(
    EXIT.error,
    { what: `${file} is no key to sign with`, why: [why], fix: "make one with `skerry signing-keys generate FILE`" },
    { cause },
  );

/**
 * Signs a version that is ready, and each of its variants. What is signed are the manifests that the server shows, after each
 * file in them was found to be the local one: a server that has other bytes gets no signature for them.
 */
export async function signVersion(
  api: ApiClient,
  { model, version, variants }: Pick<ModelVersion, "model" | "version" | "variants">,
  { bundle, signer, floor }: { readonly bundle: LocalBundle; readonly signer: Signer; readonly floor: number },
  signal: AbortSignal,
): Promise<{ readonly raw: unknown; readonly version: ModelVersion; readonly keyId: string }> {
  // Numbers of versions rise, and are never given twice.
  const of = { counter: version, floor };
  const signatureOf = async (query: string, own: LocalBundle): Promise<string> => {
    const { body: bytes } = await api.exchange("GET", `${versionPath(model, version)}/manifest${query}`);
    const why = await whyNotOurs(bytes, { model, version, bundle: own }, signal);
    if (why !== undefined) throw notSigned(`${model}:${version}`, why);
    return signer.sign(releaseText({ model, version: String(version), artifact: digestOf(bytes), ...of }));
  };
  const [reference, ...others] = graphsOf(bundle);
  const theirs = variants.map(({ name }) => name).filter((name) => name !== REFERENCE);
  const strange = theirs.filter((name) => !others.some((each) => each.name === name));
  if (strange.length > 0)
    throw notSigned(`${model}:${version}`, `the server has variants that are not here: ${strange.join(", ")}`);
  const signature = await signatureOf("", reference.bundle);
  const ofVariants: Record<string, string> = {};
  for (const { name, bundle: own } of others) ofVariants[name] = await signatureOf(`?variant=${name}`, own);
  const { publicKey } = signer;
  const body = { ...of, publicKey, signature, ...(others.length > 0 && { variants: ofVariants }) };
  const { body: raw } = await api.put(`${versionPath(model, version)}/release`, body);
  return { raw, version: decode(modelVersion, raw, "a version"), keyId: keyIdOf(publicKey) };
}

const notSigned = (name: string, why: string): CliFailure =>
  new CliFailure(EXIT.error, {
    what: `${name} was not signed`,
    why: [why],
    fix: "a model that the control plane has to change (its notes say so) cannot be signed: export it as it will be served",
  });

interface LocalGraph {
  readonly name: string;
  /** With the files of this graph alone, as a node gets it. */
  readonly bundle: LocalBundle;
}

/** The reference and the variants that the files here declare. */
function graphsOf(bundle: LocalBundle): readonly [LocalGraph, ...LocalGraph[]] {
  const localOf = new Map(bundle.files.map(({ path, local }) => [path, local]));
  const document = bundle.runtime === "onnx" ? localOf.get(VARIANTS_FILE) : undefined;
  if (document === undefined) return [{ name: REFERENCE, bundle }];
  // As the push has read it.
  const { variants } = variantsDocument.parse(parse(readFileSync(document, "utf8"), { maxAliasCount: 0 }));
  const folder = {
    size: (path: string) => statSync(localOf.get(path) ?? "", { throwIfNoEntry: false })?.size,
    read: (path: string, from: number, length: number) => readPart(localOf.get(path) ?? path, from, length),
  };
  const graphs = [bundle.main, ...variants.map(({ file }) => file)];
  const withFilesOf = (main: string): LocalBundle => {
    const paths = filesOfGraph(main, { graphs, paths: [...localOf.keys()], folder });
    return { ...bundle, main, files: bundle.files.filter(({ path }) => paths.has(path)) };
  };
  const others = variants.map(({ name, file }) => ({ name, bundle: withFilesOf(file) }));
  return [{ name: REFERENCE, bundle: withFilesOf(bundle.main) }, ...others];
}

async function whyNotOurs(
  bytes: Uint8Array,
  { model, version, bundle }: { readonly model: string; readonly version: number; readonly bundle: LocalBundle },
  signal: AbortSignal,
): Promise<string | undefined> {
  let manifest;
  try {
    manifest = manifestSchema.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch (error) {
    return `the server shows no manifest: ${messageOf(error)}`;
  }
  if (manifest.model !== model || manifest.version !== String(version))
    return `the server shows the manifest of ${manifest.model}:${manifest.version}`;
  if (manifest.files.length !== bundle.files.length)
    return `the server has ${manifest.files.length} files, and here are ${bundle.files.length}`;
  if (mainFile(manifest) !== bundle.main) return `the server would load ${mainFile(manifest)}, not ${bundle.main}`;
  for (const { local, path } of bundle.files) {
    const { sha256, bytes: size } = await hashFile(local, () => undefined, signal);
    const there = manifest.files.find(({ name }) => name === path);
    if (there?.sha256 !== sha256 || there.size !== size) return `the server's ${path} is not the file here`;
  }
  return whyOtherMeaning(manifest, bundle);
}

/** What a manifest says of files that need it: each kind of model has one of these. */
const DESCRIBED_BY: Readonly<Record<Runtime, "text" | "encoder" | "engine" | "pipeline" | undefined>> = {
  onnx: undefined,
  gguf: "text",
  generate: "text",
  embed: "encoder",
  engine: "engine",
  pipeline: "pipeline",
};

/** Why a manifest makes of the same bytes what they are not: another kind of model, other names of classes, another model of an engine. */
function whyOtherMeaning(manifest: Manifest, { runtime, main, files }: LocalBundle): string | undefined {
  const { runtime: there = "onnx", inputs, outputs, engine } = manifest;
  if (there !== runtime) return `the server would run it as ${there}, not as ${runtime}`;
  const strange = (["text", "encoder", "engine", "pipeline", "defaults"] as const).find(
    (field) => manifest[field] !== undefined && field !== DESCRIBED_BY[runtime],
  );
  if (strange !== undefined) return `the server says more of it than the files do: ${strange}`;
  if ([...inputs, ...outputs].some(({ parameters }) => parameters !== undefined))
    return "the server says more of its tensors than the files do";
  if (runtime === "pipeline") {
    const own = parse(readFileSync(files.find(({ path }) => path === main)?.local ?? main, "utf8"));
    if (canonicalJson(manifest.pipeline?.document) !== canonicalJson(own))
      return `the server has other steps than ${main} has here`;
  }
  if (runtime !== "engine") return undefined;
  const document = engineDocument.parse(
    JSON.parse(readFileSync(files.find(({ path }) => path === main)?.local ?? main, "utf8")),
  );
  const { inputs: ownInputs = [], outputs: ownOutputs = [], ...own } = document;
  const isSame =
    canonicalJson({ engine, inputs, outputs }) ===
    canonicalJson({ engine: own, inputs: ownInputs, outputs: ownOutputs });
  return isSame ? undefined : `the server names another model of the engine, or other tensors, than ${main} does`;
}
