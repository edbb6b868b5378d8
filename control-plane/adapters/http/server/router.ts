import express, { type Express, type Request, type Response } from "express";
import { SkerryError } from "../../../../shared/base/errors.ts";
import { invalidFields } from "../../../../shared/base/invalid-fields.ts";
import type { Logger } from "../../../../shared/base/logging/logger.ts";
import { requestIdFrom } from "../../../../shared/base/request-id.ts";
import { asSkerryError, inferenceError } from "../../../../shared/inference/http/error-response.ts";
import { isCompressed } from "../../../../shared/inference/http/compression.ts";
import { readJson } from "../../../../shared/inference/http/json-body.ts";
import { isInferenceProtocol, pathOf } from "../../../../shared/inference/http/path.ts";
import type { Caller } from "../../../app/access/api-keys.ts";
import type { IdempotencyStore } from "../../../ports/idempotency.ts";
import { bodyStream } from "./body-stream.ts";
import { RequestAdmission, type RequestAdmissionParts } from "../auth/request-admission.ts";
import { addressOf, callerSignal, factsOf, queryOf } from "./exchange.ts";
import { splitReason, takesReason } from "../rest/change-reason.ts";
import { once } from "../rest/idempotency.ts";
import { isForPerson, sendErrorPage } from "./error-page.ts";
import { STREAM_TYPE } from "./event-stream.ts";
import { problemResponse } from "./problem.ts";
import { type BrowserPage, type Method, type RouteResponse, type Route } from "./route.ts";
import { sendError, sendResponse } from "./send.ts";

export interface RouterParts extends RequestAdmissionParts {
  readonly idempotency: IdempotencyStore;
  readonly logger: Logger;
  /** Aborted when the server stops: endless answers end. */
  readonly stopping: AbortSignal;
  /** Check every answer against its schema: for tests and dev mode. */
  readonly checkAnswers: boolean;
}

/** Express answers exactly the routes of the table; everything else is 405 or 404. */
export function createRouter(routes: readonly Route[], parts: RouterParts): Express {
  const app = express();
  app.disable("x-powered-by").disable("etag").set("query parser", false).set("case sensitive routing", true);
  const admission = new RequestAdmission(parts);
  app.use((request, response, next) => {
    if (isDecodable(pathOf(request))) return next();
    return refuse(
      request,
      response,
      isInferenceProtocol(pathOf(request))
        ? unknownPath(request)
        : invalidFields("path", [{ field: "", message: "has a `%` that is no valid escape" }]),
    );
  });
  for (const [path, group] of specificFirst(routes)) {
    const methods = allowedMethods(group);
    for (const route of group)
      app[verbOf(route.method)](expressPath(path), (request, response) => answer(route, request, response));
    app.all(expressPath(path), (request, response) => {
      response.setHeader("Allow", methods.join(", "));
      refuse(
        request,
        response,
        new SkerryError("METHOD_NOT_ALLOWED", `${path} takes ${methods.join(", ")}, not ${request.method}`),
      );
    });
  }
  app.use((request, response) => refuse(request, response, unknownPath(request)));
  return app;

  async function answer(route: Route, request: Request, response: Response): Promise<void> {
    const startedAt = parts.clock.now();
    const requestId = requestIdFrom(request.headers["x-request-id"]);
    response.setHeader("X-Request-Id", requestId);
    let caller: Caller | undefined;
    let answeredAt: number | undefined;
    try {
      caller = await admission.admit(route, request);
      const keyEnd = new AbortController();
      const ends = route.streams.includes(STREAM_TYPE)
        ? AbortSignal.any([parts.stopping, keyEnd.signal])
        : parts.stopping;
      const reply = await run(route, { request, response, caller, requestId, ends });
      // A stream of events ends as one that is complete; bytes that are cut must not look so.
      if (caller !== undefined && "stream" in reply)
        parts.authenticator.endWithKey(caller, response, ends === parts.stopping ? undefined : () => keyEnd.abort());
      if (parts.checkAnswers) checkAnswer(route, reply);
      answeredAt = parts.clock.now();
      await sendResponse(response, reply, { route, clock: parts.clock, stallMs: parts.limits.readerStallMs });
    } catch (thrown) {
      const { opensInBrowser: page } = route;
      fail({ request, response, requestId, isInferenceProtocol: isInferenceProtocol(route.path), page }, thrown);
    } finally {
      // A stream of events lasts for hours: what counts is how soon it began.
      const ms = (answeredAt ?? parts.clock.now()) - startedAt;
      parts.metrics.requestAnswered({
        route: route.path,
        method: route.method,
        status: response.statusCode,
        seconds: ms / 1_000,
      });
      const fields = {
        requestId,
        method: route.method,
        route: route.path,
        status: response.statusCode,
        key: caller?.name,
        ms: Math.round(ms),
      };
      parts.logger[route.method === "GET" || route.method === "HEAD" ? "debug" : "info"](fields, "request");
    }
  }

  async function run(
    route: Route,
    {
      request,
      response,
      caller,
      requestId,
      ends,
    }: {
      request: Request;
      response: Response;
      caller: Caller | undefined;
      requestId: string;
      /** Aborted when the answer has to end. */
      ends: AbortSignal;
    },
  ): Promise<RouteResponse<unknown>> {
    const { clock, limits, trustedProxies, idempotency, logger } = parts;
    const facts = factsOf(request, {
      requestId,
      address: addressOf(request, trustedProxies),
      signal: callerSignal(response, ends),
      bytes: () => bodyStream(request),
    });
    if (route.takesBytes && isCompressed(request.headers))
      throw new SkerryError("UNSUPPORTED_MEDIA_TYPE", "an upload is taken as it is; send it without Content-Encoding");
    // The inference protocol knows neither a query nor a body of GET: both are ignored, at the node too.
    const isV2 = isInferenceProtocol(route.path);
    const { reason, others: query } = takesReason(route)
      ? splitReason(queryOf(request))
      : { reason: undefined, others: isV2 ? {} : queryOf(request) };
    const hasBody = !route.takesBytes && !(isV2 && route.method === "GET");
    const body = hasBody ? await readJson(request, { limits, clock, isInferenceProtocol: isV2 }) : {};
    const call = route.prepare({ params: request.params, query, body, facts: { ...facts, reason }, caller });
    const key = request.headers["idempotency-key"];
    if (route.takesBytes && caller) return admission.upload(caller, call);
    if (route.method !== "POST" || typeof key !== "string" || !caller) return call();
    const keyed = {
      keyId: caller.keyId,
      key,
      request: [route.method, pathOf(request), query, body],
      answersSecret: route.answersSecret,
    };
    return once(keyed, call, { store: idempotency, logger, usualStatus: route.statuses[0] });
  }

  function refuse(request: Request, response: Response, error: SkerryError): void {
    const requestId = requestIdFrom(request.headers["x-request-id"]);
    response.setHeader("X-Request-Id", requestId);
    fail({ request, response, requestId, isInferenceProtocol: isInferenceProtocol(pathOf(request)) }, error);
    parts.metrics.requestAnswered({ route: "none", method: "any", status: response.statusCode, seconds: 0 });
  }

  function fail(
    {
      request,
      response,
      requestId,
      isInferenceProtocol: isV2,
      page,
    }: {
      request: Request;
      response: Response;
      requestId: string;
      isInferenceProtocol: boolean;
      page?: BrowserPage | undefined;
    },
    thrown: unknown,
  ): void {
    const error = asSkerryError(thrown, requestId);
    if (error.code === "INTERNAL")
      parts.logger.error(
        { requestId, method: request.method, path: pathOf(request), err: error.cause ?? thrown },
        "request failed",
      );
    if (response.headersSent || response.destroyed) return;
    if (page) response.appendHeader("Vary", "Accept");
    if (error.code === "CANCELLED") response.destroy();
    else if (page && isForPerson(request))
      sendErrorPage(response, error, { title: page.failure, again: page.again, requestId });
    else sendError(response, isV2 ? inferenceError(error) : problemResponse(error, requestId));
  }
}

function checkAnswer(route: Route, reply: RouteResponse<unknown>): void {
  const status = reply.status ?? route.statuses[0];
  if (!route.statuses.includes(status))
    throw new Error(`${route.method} ${route.path} answered ${status}, which it does not declare`);
  if (!("body" in reply)) return;
  if (!route.answer) throw new Error(`${route.method} ${route.path} answered a body, and declares none`);
  route.answer.parse(reply.body);
}

const unknownPath = (request: Request): SkerryError =>
  new SkerryError("NOT_FOUND", `there is no path ${pathOf(request).slice(0, 200)}`);

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

/** `/a/{b}:explain` as Express writes it: `/a/:b\:explain`. */
const expressPath = (path: string): string => path.replaceAll(":", "\\:").replaceAll(/\{(\w+)\}/g, ":$1");

function verbOf(method: Method): "get" | "head" | "post" | "put" | "patch" | "delete" {
  switch (method) {
    case "GET":
      return "get";
    case "HEAD":
      return "head";
    case "POST":
      return "post";
    case "PUT":
      return "put";
    case "PATCH":
      return "patch";
    case "DELETE":
      return "delete";
  }
}

/** By path, those with a verb first: `/v2/models/{model}` matches `/v2/models/digits:explain` as well. */
const specificFirst = (routes: readonly Route[]): readonly (readonly [string, readonly Route[]])[] =>
  [...Map.groupBy(routes, ({ path }) => path)].toSorted(
    ([a], [b]) => Number(b.includes(":")) - Number(a.includes(":")),
  );

function allowedMethods(group: readonly Route[]): readonly string[] {
  const methods = new Set<string>(group.map(({ method }) => method));
  if (methods.has("GET")) methods.add("HEAD");
  return [...methods].toSorted();
}
