import { bytesOf, type InferBody, lengthBytes, type Piece, sizedJson } from "./binary-body.ts";
import type { GivenFile } from "./given-inputs.ts";

/** One request of the playground, for a program. */
export interface SampleRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
  /** Of a request for tensors: what is behind its JSON. `body` is that JSON. */
  readonly infer?: InferBody;
}

export type CodeLanguage = "curl" | "Node" | "Python";
export const LANGUAGES: readonly CodeLanguage[] = ["curl", "Node", "Python"];

/** A program that sends it. The key comes from the environment: what is copied ends in files and chats. */
export function codeFor(language: CodeLanguage, request: SampleRequest): string {
  const { infer } = request;
  const isBinary = infer !== undefined && (infer.binary.length > 0 || infer.json.parameters !== undefined);
  switch (language) {
    case "curl":
      return isBinary ? binaryCurl(request, infer) : curl(request);
    case "Node":
      return isBinary ? binaryNode(request, infer) : node(request);
    case "Python":
      return isBinary ? binaryPython(request, infer) : python(request);
  }
}

const curl = ({ url, headers, body }: SampleRequest): string =>
  [
    `curl -s ${quoted(url)} \\`,
    '  -H "Authorization: Bearer $SKERRY_API_KEY" -H "Content-Type: application/json" \\',
    ...Object.entries(headers).map(([name, value]) => `  -H ${quoted(`${name}: ${value}`)} \\`),
    `  -d ${quoted(JSON.stringify(body))}`,
  ].join("\n");

const node = ({ url, headers, body }: SampleRequest): string =>
  [
    `const response = await fetch(${JSON.stringify(url)}, {`,
    '  method: "POST",',
    "  headers: {",
    "    Authorization: `Bearer ${process.env.SKERRY_API_KEY}`,",
    '    "Content-Type": "application/json",',
    ...Object.entries(headers).map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)},`),
    "  },",
    `  body: JSON.stringify(${JSON.stringify(body)}),`,
    "});",
    'console.log(response.headers.get("skerry-node"), JSON.stringify(await response.json()));',
  ].join("\n");

const python = ({ url, headers, body }: SampleRequest): string =>
  [
    "import json, os, urllib.request",
    "",
    "request = urllib.request.Request(",
    `    ${JSON.stringify(url)},`,
    `    data=json.dumps(json.loads(${JSON.stringify(JSON.stringify(body))})).encode(),`,
    "    headers={",
    '        "Authorization": f"Bearer {os.environ[\'SKERRY_API_KEY\']}",',
    '        "Content-Type": "application/json",',
    ...Object.entries(headers).map(([name, value]) => `        ${JSON.stringify(name)}: ${JSON.stringify(value)},`),
    "    },",
    ")",
    "with urllib.request.urlopen(request) as response:",
    '    print(response.headers["Skerry-Node"], json.load(response))',
  ].join("\n");

/** The lengths are those of the files that were chosen: a shell has no words that make them of others. */
function binaryCurl({ url, headers }: SampleRequest, infer: InferBody): string {
  const json = sizedJson(infer);
  const pieces = infer.binary.flatMap(({ pieces: each }) => each);
  const files = pieces.flatMap((piece) => (isFile(piece) ? [piece.of.name] : []));
  const sent = pieces.flatMap((piece) => {
    const bytes = bytesOf(piece);
    const length = piece.kind === "element" ? [`printf ${octal(lengthBytes(bytes.byteLength))}`] : [];
    return [...length, isFile(piece) ? `cat -- ${quoted(piece.of.name)}` : `printf ${octal(bytes)}`];
  });
  return [
    ...(files.length > 0 ? ["# For these files as they were chosen: others have other lengths"] : []),
    `{ ${[`printf %s ${quoted(json)}`, ...sent].join("; ")}; } | \\`,
    `curl -s ${quoted(url)}${infer.json.parameters ? " -o answer.bin" : ""} \\`,
    '  -H "Authorization: Bearer $SKERRY_API_KEY" -H "Content-Type: application/octet-stream" \\',
    `  -H "Inference-Header-Content-Length: ${new TextEncoder().encode(json).byteLength}" \\`,
    ...Object.entries(headers).map(([name, value]) => `  -H ${quoted(`${name}: ${value}`)} \\`),
    "  --data-binary @-",
  ].join("\n");
}

const binaryNode = ({ url, headers }: SampleRequest, infer: InferBody): string =>
  [
    'import { readFileSync } from "node:fs";',
    "",
    "// An element of BYTES follows its length.",
    "const element = (bytes) => Buffer.concat([Buffer.from(Uint32Array.of(bytes.length).buffer), bytes]);",
    "const tensors = {",
    ...infer.binary.map(
      ({ name, pieces }) => `  ${JSON.stringify(name)}: Buffer.concat([${pieces.map(nodePiece).join(", ")}]),`,
    ),
    "};",
    `const body = ${JSON.stringify(infer.json)};`,
    "for (const input of body.inputs)",
    "  if (tensors[input.name]) input.parameters = { binary_data_size: tensors[input.name].length };",
    "const head = Buffer.from(JSON.stringify(body));",
    `const response = await fetch(${JSON.stringify(url)}, {`,
    '  method: "POST",',
    "  headers: {",
    "    Authorization: `Bearer ${process.env.SKERRY_API_KEY}`,",
    '    "Content-Type": "application/octet-stream",',
    '    "Inference-Header-Content-Length": String(head.length),',
    ...Object.entries(headers).map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)},`),
    "  },",
    "  body: Buffer.concat([head, ...Object.values(tensors)]),",
    "});",
    "const answer = Buffer.from(await response.arrayBuffer());",
    ...(infer.json.parameters ? ["// The numbers of the outputs follow the JSON."] : []),
    'const end = response.headers.get("inference-header-content-length") ?? answer.length;',
    'console.log(response.headers.get("skerry-node"), answer.toString("utf8", 0, Number(end)));',
  ].join("\n");

const binaryPython = ({ url, headers }: SampleRequest, infer: InferBody): string =>
  [
    "import base64, json, os, struct, urllib.request",
    "from pathlib import Path",
    "",
    "",
    "def element(data):  # An element of BYTES follows its length.",
    '    return struct.pack("<I", len(data)) + data',
    "",
    "",
    "tensors = {",
    ...infer.binary.map(
      ({ name, pieces }) => `    ${JSON.stringify(name)}: b"".join([${pieces.map(pythonPiece).join(", ")}]),`,
    ),
    "}",
    `body = json.loads(${JSON.stringify(JSON.stringify(infer.json))})`,
    'for each in body["inputs"]:',
    '    if each["name"] in tensors:',
    '        each["parameters"] = {"binary_data_size": len(tensors[each["name"]])}',
    "head = json.dumps(body).encode()",
    "request = urllib.request.Request(",
    `    ${JSON.stringify(url)},`,
    '    data=head + b"".join(tensors.values()),',
    "    headers={",
    '        "Authorization": f"Bearer {os.environ[\'SKERRY_API_KEY\']}",',
    '        "Content-Type": "application/octet-stream",',
    '        "Inference-Header-Content-Length": str(len(head)),',
    ...Object.entries(headers).map(([name, value]) => `        ${JSON.stringify(name)}: ${JSON.stringify(value)},`),
    "    },",
    ")",
    "with urllib.request.urlopen(request) as response:",
    "    answer = response.read()",
    ...(infer.json.parameters ? ["    # The numbers of the outputs follow the JSON."] : []),
    '    end = int(response.headers["Inference-Header-Content-Length"] or len(answer))',
    '    print(response.headers["Skerry-Node"], json.loads(answer[:end]))',
  ].join("\n");

const nodePiece = (piece: Piece): string =>
  isFile(piece)
    ? `element(readFileSync(${JSON.stringify(piece.of.name)}))`
    : piece.kind === "element"
      ? `element(Buffer.from(${JSON.stringify(piece.of)}))`
      : `Buffer.from("${base64(piece.bytes)}", "base64")`;

const pythonPiece = (piece: Piece): string =>
  isFile(piece)
    ? `element(Path(${JSON.stringify(piece.of.name)}).read_bytes())`
    : piece.kind === "element"
      ? `element(${JSON.stringify(piece.of)}.encode())`
      : `base64.b64decode("${base64(piece.bytes)}")`;

type FilePiece = Extract<Piece, { kind: "element" }> & { readonly of: GivenFile };

const isFile = (piece: Piece): piece is FilePiece => piece.kind === "element" && typeof piece.of === "object";

/** One word of a shell, whatever it holds: the node's name comes from the page's address, which somebody else may have made. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** Bytes as `printf` of every shell takes them. */
const octal = (bytes: Uint8Array): string =>
  `'${Array.from(bytes, (byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("")}'`;

const base64 = (bytes: Uint8Array): string => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
