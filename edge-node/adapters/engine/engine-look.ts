import { z } from "zod";
import { messageOf } from "../../../shared/base/errors.ts";
import { type EngineApi, engineModel } from "../../../shared/text/engine-model.ts";
import { hostFailure } from "../../app/hosts/host-failure.ts";
import type { EngineClient } from "./engine-client.ts";
import { keyRefused, refusesKey } from "./engine-faults.ts";
import { type EngineLoad, loadsIn } from "./engine-gauges.ts";
import { readAnswer } from "./read-answer.ts";

/** An engine that lives answers so soon, however busy it is. */
export const LOOK_MS = 5_000;
const MAX_LIST_BYTES = 4 * 1_048_576;

/** What an engine said of itself. */
export interface EngineLook {
  /** Models that it serves now, as far as a version can name them: each once, sorted. */
  readonly models: readonly string[];
  /** Requests that it runs at once, where it says so. */
  readonly slots: number | undefined;
  /** Requests that it has, by model; empty where it does not say. */
  readonly loads: ReadonlyMap<string, EngineLoad>;
}

const openAiList = z.object({ data: z.array(z.object({ id: z.string() })) });
const indexList = z.array(z.object({ name: z.string(), state: z.string().optional() }));
const nameList = z.object({ models: z.array(z.string()) });
const props = z.object({ total_slots: z.number().int().min(1).max(1_024) });

/**
 * Asks whether it is ready, and for its models. Rejects with a sentence when it is not, with `HostFailure` ENGINE_CONFIG when
 * the node's own settings are at fault, and when `signal` is aborted.
 */
export async function lookAt(client: EngineClient, api: EngineApi, signal: AbortSignal): Promise<EngineLook> {
  await client.readKey();
  const look: Look = { client, signal };
  const [found, loads] = await Promise.all([
    api === "openai" ? lookAtOpenAi(look) : lookAtOip(look),
    // An engine without metrics, or with others, is as good.
    send(look, "GET", client.metricsPath).then(
      ({ status, body }) => (status === 200 ? loadsIn(body) : NO_LOADS),
      () => NO_LOADS,
    ),
  ]);
  return { ...found, models: nameable(found.models), loads };
}

/** Engines list them in any order, which may be another one each time. */
const nameable = (models: readonly string[]): readonly string[] =>
  [...new Set(models)].filter((model) => engineModel.shape.model.safeParse(model).success).toSorted();

const NO_LOADS: EngineLook["loads"] = new Map();

interface Look {
  readonly client: EngineClient;
  readonly signal: AbortSignal;
}

type Listed = Omit<EngineLook, "loads">;

async function lookAtOpenAi(look: Look): Promise<Listed> {
  // Not every engine has a path for its health: llama.cpp, vLLM and SGLang do, Ollama does not.
  const { status } = await get(look, "/health");
  if (status >= 500) throw new Error(`the ${look.client.name} is not ready (status ${status})`);
  const { data } = listed(openAiList, await json(look, "/v1/models"));
  const said = await get(look, "/props"); // llama.cpp alone
  return { models: data.map(({ id }) => id), slots: said.status === 200 ? slotsIn(said.body) : undefined };
}

/** Some servers answer each path that they do not know with a page. */
function slotsIn(body: string): number | undefined {
  try {
    return props.parse(JSON.parse(body)).total_slots;
  } catch {
    return undefined;
  }
}

async function lookAtOip(look: Look): Promise<Listed> {
  const { status } = await get(look, "/v2/health/ready");
  if (status !== 200) throw new Error(`the ${look.client.name} is not ready (status ${status})`);
  const index = await send(look, "POST", "/v2/repository/index", new TextEncoder().encode("{}"));
  if (index.status === 200) {
    // Triton lists what it does not serve, too.
    const ready = listed(indexList, parsed(index.body)).filter(({ state }) => state === undefined || state === "READY");
    return { models: ready.map(({ name }) => name), slots: undefined };
  }
  const { models } = listed(nameList, await json(look, "/v2/models"));
  return { models, slots: undefined };
}

function listed<List>(form: z.ZodType<List>, value: unknown): List {
  const found = form.safeParse(value);
  if (!found.success) throw new Error("what it answered is no list of models");
  return found.data;
}

async function json(look: Look, path: string): Promise<unknown> {
  const { client } = look;
  const { status, body } = await get(look, path);
  if (refusesKey(status)) throw hostFailure("ENGINE_CONFIG", keyRefused(status, client.name));
  if (status !== 200) throw new Error(`the ${client.name} answers ${path} with status ${status}`);
  return parsed(body);
}

const get = (look: Look, path: string): ReturnType<typeof send> => send(look, "GET", path);

async function send(
  { client, signal }: Look,
  method: "GET" | "POST",
  path: string,
  content?: Uint8Array,
): Promise<{ readonly status: number; readonly body: string }> {
  const headers = content === undefined ? {} : { "Content-Type": "application/json" };
  const asked = { method, path, headers, headMs: LOOK_MS, ...(content !== undefined && { body: content }) };
  const { head, close } = client.ask(asked, { isLook: true });
  signal.addEventListener("abort", close, { once: true });
  const response = await head;
  const bounds = { maxBytes: MAX_LIST_BYTES, withinMs: LOOK_MS, close, engine: client.name };
  const bytes = await readAnswer(response, bounds);
  return { status: response.statusCode ?? 0, body: new TextDecoder().decode(bytes) };
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new Error(`what it answered is no JSON (${messageOf(error).slice(0, 80)})`, { cause: error });
  }
}
