import type { SkerryCluster } from "../../support/processes/skerry-cluster.ts";

/** One streamed answer of a chat, and when it came. */
export interface ReadAnswer {
  readonly text: string;
  /** Until the first event, and until the end, in ms. */
  readonly firstMs: number;
  readonly totalMs: number;
  readonly usage: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details: { readonly cached_tokens: number };
  };
  /** Of `Skerry-Route`. */
  readonly reason: string;
}

interface Event {
  readonly choices: readonly { readonly delta: { readonly content?: string } }[];
  readonly usage?: ReadAnswer["usage"] | null;
}

/** Asks as a stream and reads it to its end. Throws when the answer is an error or not whole. */
export async function readChat(
  { url, adminKey }: Pick<SkerryCluster, "url" | "adminKey">,
  request: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<ReadAnswer> {
  const startedAt = performance.now();
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${adminKey}`, "content-type": "application/json", ...headers },
    body: JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } }),
  });
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  let firstMs: number | undefined;
  let all = "";
  const decoder = new TextDecoder();
  for await (const piece of response.body ?? []) {
    firstMs ??= performance.now() - startedAt;
    all += decoder.decode(piece, { stream: true });
  }
  const data = all
    .trim()
    .split("\n\n")
    .map((event) => event.slice("data: ".length));
  if (data.pop() !== "[DONE]") throw new Error(`the answer is not whole: ${all.slice(-300)}`);
  const events = data.map((each) => JSON.parse(each) as Event);
  const usage = events.at(-1)?.usage;
  if (usage == null) throw new Error("the answer has no usage");
  return {
    text: events.map(({ choices }) => choices[0]?.delta.content ?? "").join(""),
    firstMs: firstMs ?? 0,
    totalMs: performance.now() - startedAt,
    usage,
    reason: /reason=([a-z-]+)/.exec(response.headers.get("skerry-route") ?? "")?.[1] ?? "none",
  };
}
