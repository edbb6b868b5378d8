import { z } from "zod";
import { messageOf } from "../../../shared/base/errors.ts";
import { MAX_ENGINE_MODEL_CHARACTERS } from "../../../shared/text/engine-model.ts";
import type { EngineApi } from "../../../shared/text/engine-model.ts";
import type { EngineClient } from "./engine-client.ts";
import { keyRefused, refusesKey } from "./engine-faults.ts";
import { type EngineLoad, loadsIn } from "./engine-gauges.ts";
import { readAnswer } from "./read-answer.ts";

/** An engine that lives answers so soon, however busy it is. */
export const LOOK_MS = 5_000;
const MAX_LIST_BYTES = 4 * 1_048_576;

/** What an engine said of itself. */
export interface EngineLook {
  /** Models that it serves now. */
  readonly models: readonly string[];
  /** Requests that it runs at once, where it says so. */
  readonly slots: number | undefined;
  /** Requests that it has, by model; empty where it does not say. */
  readonly loads: ReadonlyMap<string, EngineLoad>;
}

const name = z.string().min(1).max(MAX_ENGINE_MODEL_CHARACTERS);
const openAiList = z.object({ data: z.array(z.object({ id: name })) });
const indexList = z.array(z.object({ name, state: z.string().optional() }));
const nameList = z.object({ models: z.array(name) });
const props = z.object({ total_slots: z.number().int().min(1).max(1_024) });

/** Asks whether it is ready, and for its models. Rejects with a sentence when it is not. */
export async function lookAt(client: EngineClient, api: EngineApi): Promise<EngineLook> {
  await client.readKey();
  const [found, loads] = await Promise.all([
    api === "openai" ? lookAtOpenAi(client) : lookAtOip(client),
    // An engine without metrics, or with others, is as good.
    send(client, "GET", client.metricsPath).then(
      ({ status, body }) => (status === 200 ? loadsIn(body) : NO_LOADS),
      () => NO_LOADS,
    ),
  ]);
  return { ...found, loads };
}

const NO_LOADS: EngineLook["loads"] = new Map();

type Listed = Omit<EngineLook, "loads">;

async function lookAtOpenAi(client: EngineClient): Promise<Listed> {
  // Not every engine has a path for its health: llama.cpp, vLLM and SGLang do, Ollama does not.
  const { status } = await get(client, "/health");
  if (status >= 500) throw new Error(`the ${client.name} is not ready (status ${status})`);
  const { data } = openAiList.parse(await json(client, "/v1/models"));
  const said = await get(client, "/props"); // llama.cpp alone
  const slots = said.status === 200 ? props.safeParse(parsed(said.body)) : undefined;
  return { models: data.map(({ id }) => id), slots: slots?.data?.total_slots };
}

async function lookAtOip(client: EngineClient): Promise<Listed> {
  const { status } = await get(client, "/v2/health/ready");
  if (status !== 200) throw new Error(`the ${client.name} is not ready (status ${status})`);
  const index = await send(client, "POST", "/v2/repository/index", new TextEncoder().encode("{}"));
  if (index.status === 200) {
    const listed = indexList.parse(parsed(index.body));
    // Triton lists what it does not serve, too.
    const ready = listed.filter(({ state }) => state === undefined || state === "READY");
    return { models: [...new Set(ready.map((each) => each.name))], slots: undefined };
  }
  const { models } = nameList.parse(await json(client, "/v2/models"));
  return { models, slots: undefined };
}

async function json(client: EngineClient, path: string): Promise<unknown> {
  const { status, body } = await get(client, path);
  if (refusesKey(status)) throw new Error(keyRefused(status, client.name));
  if (status !== 200) throw new Error(`the ${client.name} answers ${path} with status ${status}`);
  return parsed(body);
}

const get = (client: EngineClient, path: string): ReturnType<typeof send> => send(client, "GET", path);

async function send(
  client: EngineClient,
  method: "GET" | "POST",
  path: string,
  content?: Uint8Array,
): Promise<{ readonly status: number; readonly body: string }> {
  const headers = content === undefined ? {} : { "Content-Type": "application/json" };
  const asked = { method, path, headers, headMs: LOOK_MS, ...(content !== undefined && { body: content }) };
  const { head, close } = client.ask(asked, { isLook: true });
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
