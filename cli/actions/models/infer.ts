import { z } from "zod";
import { type ApiResponse, decode } from "../../api/client.ts";
import { stringifyExactly } from "../../api/exact-json.ts";
import { usageFailure } from "../../failure.ts";
import { parseInputSource } from "../../infer/parse-input.ts";
import { withMethod } from "../../infer/explain-request.ts";
import { answeredTensor } from "../../infer/explanation.ts";
import { buildRequest, type EncodedRequest, readRequest } from "../../infer/request.ts";
import { parseRoute, routeWords } from "../../infer/route-header.ts";
import { parseServerTiming } from "../../infer/server-timing.ts";
import { parseModelReference } from "../../models/reference.ts";
import { printObject } from "../../output/format.ts";
import type { CommandContext } from "../../run.ts";

export interface InferOptions {
  readonly file?: string;
  readonly data?: string;
  readonly input?: readonly string[];
  readonly stages?: string;
  readonly site?: string;
  readonly prefer?: string;
  readonly node?: string;
  readonly edgeOnly?: boolean;
  /** True: by the version's default method. */
  readonly explain?: string | true;
  readonly png?: string;
}

const inferResponse = z.looseObject({
  model_name: z.string(),
  model_version: z.string(),
  outputs: z.array(answeredTensor),
});
type InferResponse = z.infer<typeof inferResponse>;

/** Elements of an output that a person is shown; `-o json` shows all. */
const SHOWN = 10;

/** `skerry infer`: outputs on stdout; who answered, why that one and in which time on stderr. */
export async function infer(run: CommandContext, reference: string, options: InferOptions): Promise<void> {
  const { model, version } = parseModelReference(reference);
  const url = `/v2/models/${encodeURIComponent(model)}${version === undefined ? "" : `/versions/${encodeURIComponent(version)}`}`;
  const api = await run.api();
  const { explain: method, png, stages, input = [] } = options;
  if (png !== undefined && method === undefined)
    throw usageFailure("--png draws an explanation, and none is asked for", "add --explain");
  if (stages !== undefined && input.length === 0)
    throw usageFailure("--stages goes with --input", "a whole request says its stages itself, as `skerry_stages`");
  const parameters = stages === undefined ? {} : { skerry_stages: stages };
  const chosen = await chooseRequest(run, options, (sources) =>
    buildRequest(api, url, sources.map(parseInputSource), parameters),
  );
  const request = withMethod(chosen, method === true ? undefined : method);
  const startedAt = performance.now();
  const answer = await api.call("POST", method === undefined ? `${url}/infer` : `${url}:explain`, {
    bytes: {
      type: request.headerLength === undefined ? "application/json" : "application/octet-stream",
      content: request.content,
    },
    headers: requestHeaders(run, options, request),
    ...(run.globals.timeoutMs === undefined ? {} : { timeoutMs: run.globals.timeoutMs + 1000 }),
  });
  const tookMs = performance.now() - startedAt;
  const response = decode(inferResponse, answer.body, "an inference response");
  const name = `${response.model_name}:${response.model_version}`;
  if (method === undefined)
    await printObject(run.output, run.globals.format, {
      raw: answer.body,
      name,
      describe: () => describeOutputs(response, run),
    });
  else {
    const { explanationLines, joinExplanations } = await import("./infer-explained.ts");
    const answeredBy = `/v2/models/${encodeURIComponent(response.model_name)}/versions/${response.model_version}`;
    const { outputs } = response;
    const joined = await joinExplanations(api, { url: answeredBy, request, answer, outputs, png });
    await printObject(run.output, run.globals.format, {
      raw: { response: answer.body, explained: joined },
      name,
      describe: async () => [await describeOutputs(response, run), "", ...explanationLines(joined)].join("\n"),
    });
  }
  for (const line of answerWords(answer, tookMs)) run.output.say(line);
}

async function chooseRequest(
  run: CommandContext,
  { file, data, input = [] }: InferOptions,
  build: (sources: readonly string[]) => Promise<EncodedRequest>,
): Promise<EncodedRequest> {
  const given = [file !== undefined, data !== undefined, input.length > 0].filter(Boolean).length;
  if (given > 1) throw usageFailure("--file, --data and --input exclude one another", "give one of them");
  if (data !== undefined) return readRequest({ data }, run.processEnv.stdin);
  if (input.length > 0) return build(input);
  if (file === undefined && run.processEnv.stdin.isTTY)
    throw usageFailure("there is no request", "give one with --file, --data or --input");
  return readRequest({ file: file ?? "-" }, run.processEnv.stdin);
}

function requestHeaders(run: CommandContext, options: InferOptions, request: EncodedRequest): Record<string, string> {
  if (options.node !== undefined && options.prefer !== undefined)
    throw usageFailure("--node and --prefer exclude one another", "give one of them");
  const prefer = options.node === undefined ? options.prefer : `node=${options.node}`;
  return {
    ...(request.headerLength === undefined ? {} : { "Inference-Header-Content-Length": String(request.headerLength) }),
    ...(options.site === undefined ? {} : { "Skerry-Site": options.site }),
    ...(prefer === undefined ? {} : { "Skerry-Prefer": prefer }),
    ...(options.edgeOnly === true ? { "Skerry-Residency": "edge-only" } : {}),
    ...(run.globals.timeoutMs === undefined
      ? {}
      : { "Skerry-Timeout-Ms": String(Math.min(60_000, run.globals.timeoutMs)) }),
  };
}

async function describeOutputs(response: InferResponse, run: CommandContext): Promise<string> {
  const { renderTable } = await import("../../output/table.ts");
  return renderTable(
    response.outputs,
    [
      { header: "OUTPUT", value: (row) => row.name },
      { header: "DATATYPE", value: (row) => row.datatype },
      { header: "SHAPE", value: (row) => `[${row.shape.join(", ")}]` },
      { header: "DATA", value: (row) => elements(row.data, run.globals.format === "wide" ? Infinity : SHOWN) },
    ],
    { wide: true, paint: run.output.paint },
  );
}

function elements(data: readonly unknown[], shown: number): string {
  const flat = data.flat(Infinity);
  const texts = flat
    .slice(0, shown)
    .map((value) =>
      typeof value === "number" && !Number.isInteger(value)
        ? String(Number(value.toPrecision(5)))
        : stringifyExactly(value),
    );
  return `${texts.join(" ")}${flat.length > shown ? ` … ${flat.length - shown} more` : ""}`;
}

function answerWords({ headers }: ApiResponse, tookMs: number): readonly string[] {
  const node = headers.get("skerry-node");
  const version = headers.get("skerry-model-version");
  const timing = parseServerTiming(headers.get("server-timing"));
  return [
    `${version ?? "the model"} answered${node === null ? "" : ` on ${node}`} in ${tookMs.toFixed(1)} ms`,
    ...(headers.has("skerry-route") ? [`route: ${routeWords(parseRoute(headers.get("skerry-route")))}`] : []),
    ...(timing.length === 0 ? [] : [`of which: ${timing.map(({ name, ms }) => `${name} ${ms} ms`).join(", ")}`]),
  ];
}
