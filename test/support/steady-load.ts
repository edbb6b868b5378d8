/** What one request of a steady load came to. */
export interface LoadSample {
  /** 0 when no answer came at all. */
  readonly status: number;
  readonly ms: number;
  readonly node: string;
  readonly error: string;
}

/**
 * Sends one request every `1000 / perSecond` ms, whatever became of those before (open loop: a stall shows as latency,
 * not as fewer requests), until `stop` is called.
 */
export function steadyLoad(
  perSecond: number,
  send: () => Promise<Response>,
): { stop(): Promise<readonly LoadSample[]>; sent(): number } {
  const running: Promise<LoadSample>[] = [];
  const timer = setInterval(() => running.push(sample(send)), 1_000 / perSecond);
  return {
    sent: () => running.length,
    async stop() {
      clearInterval(timer);
      return Promise.all(running);
    },
  };
}

async function sample(send: () => Promise<Response>): Promise<LoadSample> {
  const startedAt = performance.now();
  try {
    const answer = await send();
    const text = await answer.text();
    const error = answer.ok ? "" : text;
    return {
      status: answer.status,
      ms: performance.now() - startedAt,
      node: answer.headers.get("skerry-node") ?? "",
      error,
    };
  } catch (error) {
    return { status: 0, ms: performance.now() - startedAt, node: "", error: String(error) };
  }
}
