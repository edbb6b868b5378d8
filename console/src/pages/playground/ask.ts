import { ApiFailure, failureOf } from "../../api/failure.ts";
import { send } from "../../api/send.ts";
import { sessionChanged } from "../../api/session-token.ts";

const ANSWER_MS = 60_000;

const JSON_HEADERS = { "Content-Type": "application/json" } as const;

export const nodeHeaders = (node: string | undefined): Readonly<Record<string, string>> =>
  node === undefined ? {} : { "Skerry-Prefer": `node=${node}` };

/** Sends a request for a model: a blob as it is, and any other object as JSON. Throws `ApiFailure` for an error in either form of the inference APIs. */
export async function ask(
  path: string,
  {
    body,
    headers,
    signal,
  }: { readonly body: object; readonly headers: Readonly<Record<string, string>>; readonly signal?: AbortSignal },
): Promise<Response> {
  const timeout = AbortSignal.timeout(ANSWER_MS);
  const response = await send(
    new Request(path, {
      method: "POST",
      headers: { ...JSON_HEADERS, ...headers },
      body: body instanceof Blob ? body : JSON.stringify(body),
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    }),
  );
  if (response.ok) return response;
  if (response.status === 401) sessionChanged(null);
  throw await inferenceFailure(response);
}

/** `/v2` says `{"error": "…"}`, `/v1` the same as an object; what is refused before is a problem. */
async function inferenceFailure(response: Response): Promise<ApiFailure> {
  const copy = response.clone();
  const body: unknown = await response.json().catch(() => ({}));
  const error = typeof body === "object" && body !== null && "error" in body ? body.error : undefined;
  const told = typeof error === "object" && error !== null && "message" in error ? error.message : error;
  if (typeof told !== "string") return failureOf(copy);
  return new ApiFailure(response.status, { detail: told, code: response.headers.get("skerry-error") ?? "" });
}
