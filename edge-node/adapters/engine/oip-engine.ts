import { z } from "zod";
import { own, release } from "../../../shared/bytes/owned-bytes.ts";
import { JSON_BODY } from "../../../shared/protocol/frames/inference-frame.ts";
import { MAX_ANSWER_BYTES } from "../../../shared/protocol/limits.ts";
import type { TensorSpec } from "../../../shared/protocol/model-files/manifest.ts";
import { hostFailure } from "../../app/hosts/host-failure.ts";
import type { HostRequest, HostResponse } from "../../ports/model-hosts.ts";
import type { EngineClient } from "./engine-client.ts";
import { errorOf, refusal } from "./engine-faults.ts";
import { LOOK_MS } from "./engine-look.ts";
import { readAnswer } from "./read-answer.ts";
import { renameModel } from "./rename-model.ts";

const HEADER_LENGTH = "Inference-Header-Content-Length";

interface Engine {
  readonly client: EngineClient;
  /** As the engine names the model. */
  readonly model: string;
  /** As callers know it. */
  readonly names: { readonly model: string; readonly version: string };
}

/** Asks an engine of the Open Inference Protocol: the body goes there as it came. Rejects with `engineFailure`. */
export async function askOip(
  { body, headerLength, timeoutMs, cancellation }: HostRequest,
  { client, model, names }: Engine,
): Promise<HostResponse> {
  const startedAt = performance.now();
  const isBinary = headerLength !== JSON_BODY;
  const exchange = client.ask({
    method: "POST",
    path: `${pathOf(model)}/infer`,
    headers: {
      "Content-Type": isBinary ? "application/octet-stream" : "application/json",
      ...(isBinary && { [HEADER_LENGTH]: String(headerLength) }),
    },
    body,
    headMs: timeoutMs,
  });
  const { close } = exchange;
  cancellation?.onCancel(close);
  try {
    const response = await exchange.head;
    if (response.statusCode !== 200) return await errorOf(response, close, client.name);
    const withinMs = Math.max(1, timeoutMs - (performance.now() - startedAt));
    const bytes = await readAnswer(response, { maxBytes: MAX_ANSWER_BYTES, withinMs, close, engine: client.name });
    // Its memory is the caller's again when this returns.
    await exchange.sent;
    const computeUs = (performance.now() - startedAt) * 1_000;
    const said = response.headers[HEADER_LENGTH.toLowerCase()];
    const length = typeof said === "string" && /^\d{1,9}$/.test(said) ? Number(said) : undefined;
    const renamed = renameModel(bytes, Math.min(length ?? bytes.byteLength, bytes.byteLength), names);
    release(bytes);
    if (renamed === undefined)
      return refusal("RUN_FAILED", `the ${client.name} answered what is no inference`, { computeUs });
    return {
      status: 200,
      code: undefined,
      headerLength: length === undefined ? JSON_BODY : renamed.headerLength,
      body: own(renamed.bytes),
      computeUs,
      decodeUs: 0,
      encodeUs: 0,
      batchSize: 1,
    };
  } catch (error) {
    if (cancellation?.isCancelled === true) return refusal("CANCELLED", "the caller went away");
    if (error instanceof RangeError) return refusal("RUN_FAILED", `the ${client.name} sent ${error.message}`);
    throw error;
  }
}

const pathOf = (model: string): string => `/v2/models/${encodeURIComponent(model)}`;

const metadata = z.object({
  inputs: z.array(z.object({ name: z.string(), datatype: z.string() })).optional(),
  outputs: z.array(z.object({ name: z.string(), datatype: z.string() })).optional(),
});

/**
 * Compares what the version declares with what the engine says of its model, and returns how long that took, in µs. Throws LOAD_FAILED where they differ, and
 * `engineFailure` when the engine does not answer. Some engines know no signature: then the declared one counts.
 */
export async function checkSignature(
  client: EngineClient,
  model: string,
  declared: { readonly inputs: readonly TensorSpec[]; readonly outputs: readonly TensorSpec[] },
): Promise<number> {
  const startedAt = performance.now();
  const { head, close } = client.ask({ method: "GET", path: pathOf(model), headMs: LOOK_MS }, { isLook: true });
  const response = await head;
  const bytes = await readAnswer(response, { maxBytes: 1_048_576, withinMs: LOOK_MS, close, engine: client.name });
  const tookUs = Math.round((performance.now() - startedAt) * 1_000);
  const said = response.statusCode === 200 ? metadata.safeParse(parsed(bytes)) : undefined;
  if (said?.success !== true) return tookUs;
  for (const side of ["inputs", "outputs"] as const) {
    const there = said.data[side] ?? [];
    if (there.length === 0) continue;
    for (const { name, datatype } of declared[side]) {
      const found = there.find((each) => each.name === name);
      if (found?.datatype === datatype) continue;
      const is =
        found === undefined
          ? `has none (it has ${there.map((each) => each.name).join(", ")})`
          : `has ${found.datatype}`;
      const what = `of ${model}, ${side.slice(0, -1)} ${name} of ${datatype} is declared, and the ${client.name} ${is}`;
      throw hostFailure("LOAD_FAILED", what.slice(0, 500));
    }
  }
  return tookUs;
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
