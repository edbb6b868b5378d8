import { SkerryError } from "../../../../shared/base/errors.ts";
import { z } from "zod";
import type { Caller } from "../../../app/access/api-keys.ts";
import type { Action } from "../../../core/access/actions.ts";
import type { KeyHolder } from "../../../ports/access/audit.ts";
import { causesOfIssues } from "../../../../shared/api/v1/field-causes.ts";
import { invalidFields } from "../../../../shared/base/invalid-fields.ts";

export type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

/** What a caller must be allowed to do, or that everybody may call. There is no third way: a route without it does not compile. */
export type Access = "public" | Action;

/** What is known of a request beside what its schemas decode. */
export interface RequestFacts {
  readonly requestId: string;
  readonly address: string;
  /** A header by its lower-case name. */
  readonly header: (name: string) => string | undefined;
  /** The raw body, for routes that take bytes. */
  readonly bytes: () => AsyncIterable<Uint8Array>;
  /** Aborted when the caller goes away or has its answer, and when the server stops. */
  readonly signal: AbortSignal;
  /** Why a change is made, as its caller says. */
  readonly reason?: string | undefined;
}

export type RouteResponse<Body> =
  | {
      readonly status?: number;
      readonly body: Body;
      /** Sent compressed to readers that take it. */
      readonly isCompressible?: boolean;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | { readonly status: number; readonly empty: true; readonly headers?: Readonly<Record<string, string | string[]>> }
  | {
      readonly status?: number;
      readonly stream: AsyncIterable<Uint8Array>;
      /** Sent compressed to readers that take it. */
      readonly isCompressible?: boolean;
      readonly headers: Readonly<Record<string, string>>;
    };

/** The JSON among the bytes that a route takes and answers. */
interface JsonForm {
  readonly body?: z.ZodType;
  readonly answer: z.ZodType;
}

/** What a page of an error says of the route. */
export interface BrowserPage {
  readonly failure: string;
  /** Path of the link to begin again. */
  readonly again: string;
}

interface Description<
  Params extends z.ZodType,
  Query extends z.ZodType,
  Body extends z.ZodType,
  Answer extends z.ZodType,
> {
  readonly method: Method;
  /** The whole path, parameters in braces: `/api/v1/nodes/{node}`. */
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  readonly params?: Params;
  readonly query?: Query;
  /** A JSON body; or `bytes`, which the handler streams. */
  readonly body?: Body;
  readonly takesBytes?: true;
  /** Schema of every success with a body; left out: successes have none. */
  readonly answer?: Answer;
  /** The successes, the usual one first. */
  readonly statuses: readonly [number, ...number[]];
  /** Other content types of a success. */
  readonly streams?: readonly string[];
  /** Of a route that takes and answers bytes: what they are where they are JSON. For the OpenAPI document alone. */
  readonly jsonForm?: JsonForm;
  /** A browser opens it for a person, who reads its errors as a page. */
  readonly opensInBrowser?: BrowserPage;
  /** The answer holds a secret that exists nowhere else: it is not stored for an Idempotency-Key. */
  readonly answersSecret?: true;
}

interface Decoded<Params extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType> extends RequestFacts {
  readonly params: z.output<Params>;
  readonly query: z.output<Query>;
  readonly body: z.output<Body>;
}

/** A request before its schemas have looked at it. */
export interface RawRequest {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly facts: RequestFacts;
  readonly caller: Caller | undefined;
}

/** One route: the Express router, the role matrix and the OpenAPI document all come from it. */
export interface Route {
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  readonly access: Access;
  readonly params: z.ZodType;
  readonly query: z.ZodType;
  readonly body: z.ZodType | undefined;
  readonly takesBytes: boolean;
  readonly answer: z.ZodType | undefined;
  readonly statuses: readonly [number, ...number[]];
  readonly streams: readonly string[];
  readonly jsonForm: JsonForm | undefined;
  readonly opensInBrowser: BrowserPage | undefined;
  readonly answersSecret: boolean;
  /** Callers on this machine need no key. */
  readonly isOpenOnLoopback: boolean;
  /** Decodes at once (throws `INVALID_REQUEST`), and returns the call that does the work. */
  prepare(raw: RawRequest): () => Promise<RouteResponse<unknown>>;
}

/** What callers may send where nothing is asked for: an empty object, so that an unknown field is still refused. */
const nothing = z.strictObject({});
type Nothing = typeof nothing;

/** A route for callers whose role may do `action`, and to the object that the path names. */
export function defineRoute<
  Params extends z.ZodType = Nothing,
  Query extends z.ZodType = Nothing,
  Body extends z.ZodType = Nothing,
  Answer extends z.ZodType = z.ZodUndefined,
>(
  route: Description<Params, Query, Body, Answer> & {
    readonly action: Action;
    handle(
      request: Decoded<Params, Query, Body> & { readonly caller: Caller; readonly actor: KeyHolder },
    ): Promise<RouteResponse<z.output<Answer>>>;
  },
): Route {
  const decode = decoderOf(route);
  return {
    ...described(route),
    access: route.action,
    isOpenOnLoopback: false,
    prepare(raw) {
      const { caller, facts } = raw;
      if (!caller) throw new Error(`${route.method} ${route.path} was reached without a key`);
      const request = { ...decode(raw), caller, actor: actorOf(caller, facts) };
      return () => route.handle(request);
    },
  };
}

/** A route for everybody; with `beyondLoopback`, for everybody on this machine and from elsewhere for callers who may do that. */
export function definePublicRoute<
  Params extends z.ZodType = Nothing,
  Query extends z.ZodType = Nothing,
  Body extends z.ZodType = Nothing,
  Answer extends z.ZodType = z.ZodUndefined,
>(
  route: Description<Params, Query, Body, Answer> & {
    readonly beyondLoopback?: Action;
    handle(request: Decoded<Params, Query, Body>): Promise<RouteResponse<z.output<Answer>>>;
  },
): Route {
  const decode = decoderOf(route);
  return {
    ...described(route),
    access: route.beyondLoopback ?? "public",
    isOpenOnLoopback: route.beyondLoopback !== undefined,
    prepare(raw) {
      const request = decode(raw);
      return () => route.handle(request);
    },
  };
}

function described(
  route: Description<z.ZodType, z.ZodType, z.ZodType, z.ZodType>,
): Omit<Route, "access" | "isOpenOnLoopback" | "prepare"> {
  const { method, path, summary, tag, statuses } = route;
  return {
    method,
    path,
    summary,
    tag,
    statuses,
    params: route.params ?? nothing,
    query: route.query ?? nothing,
    body: route.body,
    takesBytes: route.takesBytes ?? false,
    answer: route.answer,
    streams: route.streams ?? [],
    jsonForm: route.jsonForm,
    opensInBrowser: route.opensInBrowser,
    answersSecret: route.answersSecret ?? false,
  };
}

function decoderOf<Params extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType>(
  route: Pick<Description<Params, Query, Body, z.ZodType>, "params" | "query" | "body">,
): (raw: RawRequest) => Decoded<Params, Query, Body> {
  return ({ params, query, body, facts }) => ({
    ...facts,
    params: checked(route.params ?? nothing, params, "path") as z.output<Params>,
    query: checked(route.query ?? nothing, query, "query") as z.output<Query>,
    body: checked(route.body ?? nothing, body, "body") as z.output<Body>,
  });
}

function checked(schema: z.ZodType, value: unknown, where: "path" | "query" | "body"): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw invalidFields(where, causesOfIssues(schema, result.error.issues, value));
}

export const actorOf = (caller: Caller, { address, requestId, reason }: RequestFacts): KeyHolder => ({
  name: caller.name,
  role: caller.role,
  keyId: caller.keyId,
  models: caller.models,
  address,
  requestId,
  reason,
});

/** Also for a model outside the key's scope: that it exists is not shown. */
export const unknownModel = (model: string): SkerryError =>
  new SkerryError("NOT_FOUND", `model ${model.slice(0, 63)} is not known here; GET /v2/models lists the models`);
