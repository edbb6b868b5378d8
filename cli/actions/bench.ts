import { z } from "zod";
import { deployment, type Deployment } from "../../shared/api/v1/deployments/deployments.ts";
import { modelVersion } from "../../shared/api/v1/models.ts";
import { systemClock } from "../../shared/base/clock.ts";
import type { TensorSpec } from "../../shared/protocol/model-files/manifest.ts";
import { kindOf, type ModelKind } from "../../shared/text/model-kind.ts";
import { type ApiClient, type Call, decode } from "../api/client.ts";
import { readList } from "../api/lists.ts";
import { isApiFailure } from "../api/problem.ts";
import { applyLoad, type Ask } from "../bench/load.ts";
import { madeUpRequest } from "../bench/made-up-input.ts";
import { type LoadSummary, type Percentiles, summarize } from "../bench/samples.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { CliFailure, isCliFailure, usageFailure } from "../failure.ts";
import { readRequest } from "../infer/request.ts";
import { isMachineFormat, printRaw } from "../output/format.ts";
import { renderFields, renderTable } from "../output/table.ts";
import { parseDuration } from "../output/units.ts";
import type { CommandContext } from "../run.ts";

export interface BenchOptions {
  readonly callers?: number;
  readonly rate?: number;
  readonly duration: string;
  readonly requests?: number;
  readonly file?: string;
  readonly data?: string;
  readonly prompt?: string;
  readonly maxTokens: number;
  readonly within?: string;
  readonly node?: string;
  readonly site?: string;
}

/** A load that a person lets run by mistake ends. */
const LONGEST_MS = 600_000;
const MOST_REQUESTS = 1_000_000;
/** Requests before the measurement: they open connections, and their times are not counted. */
const WARM_UP = 3;
/** A request that Ctrl-C cut short says nothing about the deployment. */
const INTERRUPTED = "interrupted";

interface Workload {
  readonly path: string;
  readonly call: Call;
  /** What is sent, in words. */
  readonly what: string;
  readonly kind: ModelKind;
}

/** `skerry bench`: exit code 2 when a request failed, so that a script may decide. */
export async function bench(run: CommandContext, name: string, options: BenchOptions): Promise<ExitCode> {
  const durationMs = durationOf("--duration", options.duration);
  const withinOption = options.within === undefined ? undefined : durationOf("--within", options.within);
  const api = await run.api();
  const { body } = await api.get(`/api/v1/deployments/${encodeURIComponent(name)}`);
  const of = decode(deployment, body, "a deployment");
  const workload = await workloadFor(run, api, of, options);
  await warnOfOthers(run, api, of);
  const ask = asker(api, workload);
  for (let left = WARM_UP; left > 0; left -= 1) await warmUp(ask, name);
  const callers = options.rate === undefined ? (options.callers ?? 4) : undefined;
  const load = callers === undefined ? `${options.rate} requests a second` : `${callers} callers`;
  run.output.say(`${load} send ${workload.what} to ${name} for at most ${durationMs / 1_000} s.`);
  const startedAt = systemClock.now();
  const samples = await applyLoad(
    ask,
    {
      ...(callers !== undefined && { callers }),
      ...(options.rate !== undefined && { rate: options.rate }),
      durationMs,
      maxRequests: Math.min(MOST_REQUESTS, options.requests ?? MOST_REQUESTS),
    },
    { clock: systemClock, signal: run.signal },
  );
  const seconds = Math.max(0.001, (systemClock.now() - startedAt) / 1_000);
  const ended = samples.filter(({ code }) => code !== INTERRUPTED);
  const summary = summarize(ended, { seconds, withinMs: withinOption ?? of.spec.slo?.p95Ms ?? null });
  await print(run, of, summary);
  if (run.signal.aborted) return EXIT.interrupted;
  return Object.keys(summary.errors).length > 0 ? EXIT.unmet : EXIT.ok;
}

/** Requests name a model: which of its deployments answers is Skerry's choice. */
async function warnOfOthers(run: CommandContext, api: ApiClient, { name, spec }: Deployment): Promise<void> {
  const { items } = await readList(api, "/api/v1/deployments", deployment, { selector: `model=${spec.model}` });
  const others = items.filter((each) => each.name !== name).map((each) => each.name);
  if (others.length > 0)
    run.output.warn(`${spec.model} is deployed by ${others.join(", ")} too, which may answer as well`);
}

async function warmUp(ask: Ask, name: string): Promise<void> {
  const { code } = await ask(systemClock.now());
  if (code === "OK") return;
  throw new CliFailure(EXIT.error, {
    what: `${name} does not answer the request: ${code}`,
    fix: `look with \`skerry deployments get ${name}\`, or send another request with --file`,
  });
}

async function workloadFor(
  run: CommandContext,
  api: ApiClient,
  of: Deployment,
  options: BenchOptions,
): Promise<Workload> {
  const given = [options.file, options.data, options.prompt].filter((each) => each !== undefined).length;
  if (given > 1) throw usageFailure("--file, --data and --prompt exclude one another", "give one of them");
  if (options.rate !== undefined && options.callers !== undefined)
    throw usageFailure("--rate and --callers exclude one another", "give one of them");
  const version = of.status.activeVersion ?? of.status.targetVersion;
  if (version === null)
    throw new CliFailure(EXIT.unmet, {
      what: `${of.name} serves nothing yet`,
      fix: `wait for it with \`skerry deployments get ${of.name} --wait\``,
    });
  const found = await api.get(`/api/v1/models/${encodeURIComponent(of.spec.model)}/versions/${version}`);
  const served = decode(modelVersion, found.body, "a model version");
  const kind = kindOf({ ...served, text: served.text ?? undefined, encoder: served.encoder ?? undefined });
  const headers = {
    ...(options.node !== undefined && { "Skerry-Prefer": `node=${options.node}` }),
    ...(options.site !== undefined && { "Skerry-Site": options.site }),
  };
  if (kind === "tensors" && options.prompt !== undefined)
    throw usageFailure(`${of.spec.model} takes tensors and no --prompt`, "give a request with --file");
  if (options.file !== undefined || options.data !== undefined) {
    const source = options.data === undefined ? { file: options.file ?? "-" } : { data: options.data };
    const { content } = await readRequest(source, run.processEnv.stdin);
    const call = { bytes: { type: "application/json", content }, headers };
    return { path: pathOf(of, kind), call, what: "the given request", kind };
  }
  const made = madeRequest(of, kind, { ...options, inputs: served.inputs });
  return { path: pathOf(of, kind), call: { body: made.body, headers }, what: made.what, kind };
}

function pathOf(of: Deployment, kind: ModelKind): string {
  if (kind === "text") return "/v1/chat/completions";
  return kind === "embeddings" ? "/v1/embeddings" : `/v2/models/${encodeURIComponent(of.spec.model)}/infer`;
}

function madeRequest(
  of: Deployment,
  kind: ModelKind,
  {
    prompt = "Say something about the sea.",
    maxTokens,
    inputs,
  }: Pick<BenchOptions, "prompt" | "maxTokens"> & { readonly inputs: readonly TensorSpec[] },
): { readonly body: object; readonly what: string } {
  const { model } = of.spec;
  if (kind === "embeddings") return { body: { model, input: prompt }, what: "a text" };
  if (kind === "text")
    return {
      body: { model, messages: [{ role: "user", content: prompt }], max_tokens: maxTokens },
      what: `a question, for at most ${maxTokens} tokens,`,
    };
  return { body: madeUpRequest(inputs), what: "made-up tensors of one row" };
}

const usage = z.looseObject({ usage: z.looseObject({ completion_tokens: z.number() }).optional() });

function asker(api: ApiClient, { path, call, kind }: Workload): Ask {
  return async (dueAt) => {
    const ended = (): number => systemClock.now() - dueAt;
    try {
      const { headers, body } = await api.call("POST", path, call);
      const tokens = kind === "text" ? usage.safeParse(body).data?.usage?.completion_tokens : undefined;
      const node = headers.get("skerry-node") ?? undefined;
      return { ms: ended(), code: "OK", node, ...(tokens !== undefined && { tokens }) };
    } catch (error) {
      const isInterrupt = isCliFailure(error) && error.exitCode === EXIT.interrupted;
      const code = isApiFailure(error) && error.code !== "" ? error.code : isInterrupt ? INTERRUPTED : whatOf(error);
      return { ms: ended(), code, node: undefined };
    }
  };
}

const whatOf = (error: unknown): string => (isCliFailure(error) ? error.parts.what : String(error));

async function print(run: CommandContext, of: Deployment, summary: LoadSummary): Promise<void> {
  const { format } = run.globals;
  if (isMachineFormat(format)) return printRaw(run.output, format, { deployment: of.name, ...summary });
  if (format === "name") return run.output.data(of.name);
  const { paint } = run.output;
  const { answered, requests, goodputPerS, withinMs, tokensPerS, latency, errors } = summary;
  const failed = Object.entries(errors).map(([code, count]) => paint.bad(`${count} × ${code}`));
  const fields = renderFields(
    [
      ["Answered", `${answered} of ${requests} in ${summary.seconds.toFixed(1)} s, ${perS(summary.answersPerS)}`],
      ["Goodput", goodputPerS === null ? "" : `${perS(goodputPerS)} within ${withinMs} ms`],
      ["Tokens", tokensPerS === null ? "" : `${perS(tokensPerS)} written`],
      ["Latency", latency === null ? "" : latencyText(latency)],
      ["Failed", failed.join("\n")],
    ],
    paint,
  );
  const nodes = renderTable(
    summary.nodes,
    [
      { header: "SERVED BY", value: (row) => row.node },
      { header: "REQUESTS", value: (row) => String(row.requests), align: "right" },
      { header: "SHARE", value: (row) => `${Math.round(row.share * 100)} %`, align: "right" },
      { header: "P50", value: (row) => ms(row.latency.p50Ms), align: "right" },
      { header: "P95", value: (row) => ms(row.latency.p95Ms), align: "right" },
      { header: "P99", value: (row) => ms(row.latency.p99Ms), align: "right" },
    ],
    { wide: true, paint },
  );
  run.output.data(summary.nodes.length === 0 ? fields : `${fields}\n\n${nodes}`);
  run.output.next("top");
}

const latencyText = ({ p50Ms, p90Ms, p95Ms, p99Ms, maxMs }: Percentiles): string =>
  `p50 ${ms(p50Ms)}, p90 ${ms(p90Ms)}, p95 ${ms(p95Ms)}, p99 ${ms(p99Ms)}, longest ${ms(maxMs)}`;
const perS = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} a second`;
const ms = (value: number): string =>
  `${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : Math.round(value)} ms`;

function durationOf(option: string, text: string): number {
  const found = parseDuration(text);
  if (found === null || found <= 0 || found > LONGEST_MS)
    throw usageFailure(`${option} ${text}: no time up to 10m`, `give it as ${option} 30s`);
  return found;
}
