import type { ConformanceCase } from "./case.ts";
import { type Answer, send, type Target } from "./exchange.ts";
import { differences } from "./match.ts";
import { blobBytes } from "./tensor-bytes.ts";

/**
 * Sends the case's request and returns what is wrong with the answer; nothing: the case holds. `houseRules`: also what
 * Skerry promises of every answer.
 */
export async function runCase(
  of: ConformanceCase,
  target: Target,
  { houseRules }: { readonly houseRules: boolean },
): Promise<readonly string[]> {
  const { times = 1 } = of.request;
  const answers = await Promise.all(Array.from({ length: times }, () => send(of, target)));
  const isOurs = houseRules && of.request.path.startsWith("/v2");
  const complaints = answers.map((answer) => [
    ...complaintsAbout(answer, of, houseRules),
    ...(isOurs ? differences(answer.status < 400 ? ANSWER : REFUSAL, { ...answer.headers }, "header") : []),
  ]);
  if (times === 1) return complaints[0] ?? [];
  const { elseStatus = [] } = of.expect;
  const others = answers.filter(({ status }, i) => complaints[i]?.length !== 0 && !elseStatus.includes(status));
  return [
    ...(complaints.some((each) => each.length === 0) ? [] : [`no answer of ${times} was as expected`]),
    ...others.map((answer) => `one answer was ${answer.status}: ${textOf(answer)}`),
  ];
}

const REQUEST_ID = { "x-request-id": { $matches: "^[!-~]{1,128}$" } };
const ANSWER = { ...REQUEST_ID, "skerry-error": { $absent: true } };
const REFUSAL = { ...REQUEST_ID, "skerry-error": { $matches: "^[A-Z_]+$" }, "content-type": "application/json" };

function complaintsAbout(answer: Answer, { expect }: ConformanceCase, houseRules: boolean): readonly string[] {
  // The protocol asks for an error and says "typically 400": some answer 422.
  const isRefused = !houseRules && expect.status === 400 && answer.status >= 400 && answer.status < 500;
  if (answer.status !== expect.status && !isRefused)
    return [`status is ${answer.status}, not ${expect.status}: ${textOf(answer)}`];
  return [
    ...headerComplaints(answer, expect.headers),
    ...(expect.json === undefined ? [] : jsonComplaints(answer.body, expect.json)),
    ...(expect.binary === undefined ? [] : binaryComplaints(answer, expect.binary)),
    ...(expect.empty === true && answer.body.length > 0 ? [`the body has ${answer.body.length} bytes`] : []),
  ];
}

const textOf = ({ body }: Answer): string => body.toString("utf8", 0, 300);

function headerComplaints({ headers }: Answer, expected: ConformanceCase["expect"]["headers"]): readonly string[] {
  return Object.entries(expected).flatMap(([name, matcher]) => {
    const value = headers[name.toLowerCase()];
    return differences(matcher === false ? { $absent: true } : matcher, value, `header ${name}`);
  });
}

/** JSON whose long integers keep their digits. */
function parse(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) => {
    const { source = "" } = context ?? {};
    return typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(source) ? BigInt(source) : value;
  });
}

function jsonComplaints(body: Buffer, expected: unknown): readonly string[] {
  const text = body.toString("utf8");
  try {
    return differences(expected, parse(text));
  } catch {
    return [`the body is no JSON: ${text.slice(0, 200)}`];
  }
}

function binaryComplaints(
  { headers, body }: Answer,
  expected: NonNullable<ConformanceCase["expect"]["binary"]>,
): readonly string[] {
  const headerLength = Number(headers["inference-header-content-length"]);
  if (!Number.isInteger(headerLength) || headerLength > body.length)
    return [`Inference-Header-Content-Length is ${String(headers["inference-header-content-length"])}`];
  const wanted = Buffer.concat(expected.blobs.map(blobBytes));
  const got = body.subarray(headerLength);
  return [
    ...jsonComplaints(body.subarray(0, headerLength), expected.json),
    ...(got.equals(wanted) ? [] : [`the tensors' bytes are ${got.toString("hex")}, not ${wanted.toString("hex")}`]),
  ];
}
