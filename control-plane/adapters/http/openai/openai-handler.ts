import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorCode } from "../../../../shared/base/errors.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import { requestIdFrom } from "../../../../shared/base/request-id.ts";
import { formatTraceparent, nextHop, parseTraceparent } from "../../../../shared/base/trace-context.ts";
import { release, releasing } from "../../../../shared/bytes/owned-bytes.ts";
import { cancellationOf } from "../../../../shared/flow/cancellation.ts";
import { asSkerryError, inferenceError } from "../../../../shared/inference/http/error-response.ts";
import { forwardStream } from "../../../../shared/inference/http/forward-stream.ts";
import { type ModelTarget, pathOf } from "../../../../shared/inference/http/path.ts";
import { readBody, wholeBody } from "../../../../shared/inference/http/read-body.ts";
import { parseInferenceHeaders } from "../../../../shared/inference/http/request-headers.ts";
import {
  cascadeOf,
  decodeAsked,
  type DecodedRequest,
  noSuchModel,
  sessionIdOf,
} from "../../../../shared/openai/decode-request.ts";
import { openAiErrorResponse } from "../../../../shared/openai/errors.ts";
import { modelDocument, modelsDocument } from "../../../../shared/openai/http/model-list.ts";
import {
  type AnswerForm,
  type AskPath,
  isOpenAi,
  openAiMethods,
  type OpenAiPath,
  openAiPath,
} from "../../../../shared/openai/http/path.ts";
import { failureEventOf, openAiReply } from "../../../../shared/openai/http/reply.ts";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";
import { stableHash } from "../../../core/hash.ts";
import type { Caller } from "../../../app/access/api-keys.ts";
import type { InferenceResponse } from "../../../app/inference/inference-request.ts";
import { knownCode } from "../../../app/inference/inference-responses.ts";
import type { ModelStatusQuery } from "../../../app/inference/model-status-query.ts";
import { isInScope } from "../../../core/access/decide.ts";
import { authorize } from "../auth/authorize.ts";
import type { KeyQuotas } from "../auth/key-quotas.ts";
import { InferenceLog } from "../inference/inference-log.ts";
import {
  type InferenceParts,
  isWellFormed,
  measuredOf,
  modelOf,
  timeLeft,
  timingOf,
} from "../inference/inference-routes.ts";
import { addressOf } from "../server/exchange.ts";
import { sendError } from "../server/send.ts";

interface Parts extends InferenceParts {
  readonly quotas: Pick<KeyQuotas, "requireTokens" | "spendTokens">;
  readonly serving: ModelStatusQuery;
}

/** What is known of one request while it is answered. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly form: AnswerForm;
  readonly startedAt: number;
}

/** Answers all of `/v1`, and the generate extension under `/v2`, ahead of Express; returns whether the path is one of these. */
export function createOpenAiHandler(parts: Parts): (request: IncomingMessage, response: ServerResponse) => boolean {
  const log = new InferenceLog(parts);
  return (request, response) => {
    const path = pathOf(request);
    const meant = openAiPath(path);
    if (meant === undefined && !isOpenAi(path)) return false;
    const requestId = requestIdFrom(request.headers["x-request-id"]);
    response.setHeader("X-Request-Id", requestId);
    const form = meant?.kind === "generate" ? "generate" : "openai";
    void answer(path, meant, { request, response, requestId, form, startedAt: parts.clock.now() });
    return true;
  };

  /** Never rejects: every failure becomes an answer, or there is nobody left to answer. */
  async function answer(path: string, meant: OpenAiPath | undefined, exchange: Exchange): Promise<void> {
    try {
      if (meant === undefined) throw new SkerryError("NOT_FOUND", `there is no path ${path.slice(0, 200)}`);
      refuseMethod(meant, path, exchange);
      if (meant.kind === "ask" || meant.kind === "generate") await ask(meant, exchange);
      else await list(meant, exchange);
    } catch (thrown) {
      refuse(thrown, exchange);
    }
  }

  function refuse(thrown: unknown, { response, requestId, form }: Exchange): void {
    const error = asSkerryError(thrown, requestId);
    if (error.code === "INTERNAL") parts.logger.error({ requestId, err: error.cause ?? thrown }, "a request failed");
    if (error.code === "CANCELLED" || response.headersSent) response.destroy();
    else sendError(response, form === "generate" ? inferenceError(error) : openAiErrorResponse(error));
  }

  async function list(path: Exclude<OpenAiPath, AskPath>, { request, response }: Exchange): Promise<void> {
    const caller = await callerOf(request, "models.read");
    const models = parts.serving.openAiModels().filter(({ model: name }) => isInScope(caller, { kind: "model", name }));
    const found = path.kind === "model" ? models.find(({ id }) => id === path.id) : undefined;
    if (path.kind === "model" && found === undefined) throw noSuchModel(path.id);
    const body = Buffer.from(JSON.stringify(found === undefined ? modelsDocument(models) : modelDocument(found)));
    response
      .writeHead(200, {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "Content-Length": body.length,
      })
      .end(request.method === "HEAD" ? undefined : body);
  }

  async function ask(path: AskPath, exchange: Exchange): Promise<void> {
    const { request, response, requestId, startedAt } = exchange;
    const { clock, metrics } = parts;
    const trace = nextHop(parseTraceparent(request.headers["traceparent"]), parts.random);
    let code: ErrorCode | "OK" = "OK";
    let target: ModelTarget = { model: "", version: undefined };
    let answered: InferenceResponse | undefined;
    let begunAt: number | undefined;
    try {
      const caller = await callerOf(request, "models.invoke");
      parts.quotas.requireTokens(caller);
      const { decoded, leave } = await read(path, exchange, caller);
      ({ target } = decoded);
      const traceparent = trace && formatTraceparent(trace);
      answered = await routed(decoded, exchange, { traceparent, leave, caller });
      code = answered.code ?? "OK";
      begunAt = clock.now();
      if (code === "CANCELLED") response.destroy();
      else code = await send(answered, { decoded, caller }, exchange);
    } catch (thrown) {
      code = asSkerryError(thrown, requestId).code;
      refuse(thrown, exchange);
    } finally {
      const ms = (begunAt ?? clock.now()) - startedAt;
      metrics.inferenceAnswered(measuredOf(target, { code, ms, answered }));
      log.add({ requestId, trace, model: target.model, code, ms, answer: answered });
    }
  }

  /** `leave` frees what the request holds of its key's share. */
  async function read(
    path: AskPath,
    { request }: Exchange,
    caller: Caller,
  ): Promise<{ readonly decoded: DecodedRequest; readonly leave: () => void }> {
    const { clock, limits, admission } = parts;
    const { take, leave } = admission.enter(caller);
    try {
      const bounds = { maxBytes: limits.textBodyBytes, withinMs: limits.bodyMs, clock, take };
      const body = wholeBody(await readBody(request, bounds));
      const decoded = decodeAsked(path, body, caller.keyId);
      release(body);
      return { decoded, leave };
    } catch (error) {
      leave();
      throw error;
    }
  }

  async function routed(
    decoded: DecodedRequest,
    { request, response, startedAt }: Exchange,
    asked: { readonly traceparent: string | undefined; readonly leave: () => void; readonly caller: Caller },
  ): Promise<InferenceResponse> {
    const { target, question, session } = decoded;
    let leavesLater = false;
    try {
      const unknown = (): SkerryError => noSuchModel(target.model);
      const resource = { kind: "model", name: target.model } as const;
      authorize(asked.caller, "models.invoke", { what: "inference", resource, unknown });
      if (!isWellFormed(target)) throw unknown();
      const headers = parseInferenceHeaders(request.headers);
      const answered = await parts.infer({
        ...target,
        ...headers,
        asks: decoded.asks,
        cascade: { wants: cascadeOf(request.headers), promptCharacters: decoded.promptCharacters },
        caller: asked.caller.keyId,
        // Of one key alone: caches are not shared among keys.
        ...(session !== undefined && {
          session: stableHash(`${asked.caller.keyId} ${sessionIdOf(request.headers) ?? session}`),
        }),
        headerLength: JSON_BODY,
        timeoutMs: timeLeft(headers.timeoutMs, parts.clock.now() - startedAt),
        body: [question],
        traceparent: asked.traceparent,
        cancellation: cancellationOf(response),
      });
      if (!(answered.body instanceof Uint8Array)) {
        leavesLater = true; // the key holds a place while its answer is read
        void answered.body.ended.then(asked.leave);
        parts.authenticator.endWithKey(asked.caller, response);
      }
      return answered;
    } finally {
      if (!leavesLater) asked.leave();
    }
  }

  async function send(
    answered: InferenceResponse,
    { decoded, caller }: { readonly decoded: DecodedRequest; readonly caller: Caller },
    { response, startedAt }: Exchange,
  ): Promise<ErrorCode | "OK"> {
    const { clock, metrics } = parts;
    const asked = { facts: answered, timing: timingOf(answered), body: answered.body };
    const { status, headers, body } = openAiReply(asked, decoded);
    if (body instanceof Uint8Array) {
      headers.push("Content-Length", String(body.length));
      response.writeHead(status, headers).end(body, releasing(body));
      return answered.code ?? "OK";
    }
    const begunAt = clock.now();
    let endedAt = begunAt;
    void body.ended.then(() => (endedAt = clock.now()));
    // What an answer took that was cut counts too.
    void body.senderEnd.then((trailer) => {
      const usage = trailer?.meta.usage;
      if (usage === undefined) return;
      parts.quotas.spendTokens(caller, usage.promptTokens + usage.outputTokens);
      const model = modelOf(decoded.target, answered);
      if (decoded.asks === "embeddings") return metrics.embeddingsAnswered({ model, usage });
      const [firstSeconds, restSeconds] = [(begunAt - startedAt) / 1_000, (endedAt - begunAt) / 1_000];
      const { node, route } = answered;
      metrics.textAnswered({ model, node, placement: route.placement, usage, firstSeconds, restSeconds });
    });
    if (body.length !== undefined) headers.push("Content-Length", String(body.length));
    response.writeHead(status, headers);
    const code = await forwardStream(body, response, clock, decoded.streams ? failureEventOf(decoded.form) : undefined);
    return code === "OK" ? code : knownCode(code);
  }

  /** Before the body is read, so that a role without the right costs none. Throws as `authenticate` and `authorize` do. */
  async function callerOf(request: IncomingMessage, action: "models.read" | "models.invoke"): Promise<Caller> {
    const { authenticator, trustedProxies } = parts;
    const caller = await authenticator.authenticateRequest(request, addressOf(request, trustedProxies));
    authorize(caller, action, { what: action === "models.invoke" ? "inference" : "models" });
    return caller;
  }
}

function refuseMethod(meant: OpenAiPath, path: string, { request, response }: Exchange): void {
  const allowed = openAiMethods(meant);
  if (allowed.includes(request.method ?? "")) return;
  response.setHeader("Allow", allowed.join(", "));
  throw new SkerryError(
    "METHOD_NOT_ALLOWED",
    `${path.slice(0, 200)} takes ${allowed.join(", ")}, not ${request.method}`,
  );
}
