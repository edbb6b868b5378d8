import createClient, { type Middleware } from "openapi-fetch";
import { failureOf } from "./failure.ts";
import type { paths } from "./generated/schema.ts";
import { send } from "./send.ts";
import { sessionChanged } from "./session-token.ts";

/** Longest that an answer may take, in ms; streams have a rule of their own. */
const TIMEOUT_MS = 20_000;

const session: Middleware = {
  async onResponse({ response }) {
    if (response.ok) return;
    const failure = await failureOf(response);
    if (failure.status === 401) sessionChanged(null);
    throw failure;
  },
};

/**
 * The API, typed by the server's own OpenAPI document (`npm run console:client`). Throws `ApiFailure` for every answer
 * that is no success, so `data` is there whenever a call returns.
 */
export const api = createClient<paths>({
  baseUrl: "/",
  fetch: (request) =>
    send(new Request(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(TIMEOUT_MS)]) })),
});
api.use(session);

/** One event of a list that can be followed: the answer is one of these only where a stream was asked for. */
interface StreamEvent {
  readonly data: string;
}

/** The body of an answer: `await bodyOf(api.GET(…))`. */
export async function bodyOf<Body>(
  call: Promise<{ data?: Body | undefined }>,
): Promise<Exclude<NonNullable<Body>, StreamEvent>> {
  const { data } = await call;
  if (data === undefined || data === null) throw new Error("the answer has no body");
  return data as Exclude<NonNullable<Body>, StreamEvent>;
}
