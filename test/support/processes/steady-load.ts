/** What one request of a steady load came to. */
export interface LoadSample {
  /** When it was sent, on the clock of `performance.now()`. */
  readonly sentAt: number;
  /** 0 when no answer came at all. */
  readonly status: number;
  readonly ms: number;
  readonly node: string;
  /** How many nodes were asked: `attempt` of `Skerry-Route`. */
  readonly attempt: number;
  /** Time in the model, of `Server-Timing`. */
  readonly inferMs: number;
  /** `Skerry-Error`. */
  readonly code: string;
  readonly retryAfter: string;
  readonly error: string;
}

export interface SteadyLoad {
  sent(): number;
  /** Those that ended so far, in the order of their end. */
  readonly ended: readonly LoadSample[];
  /** Ends the load and resolves when every request has ended. */
  stop(): Promise<readonly LoadSample[]>;
}

/**
 * Sends one request every `1000 / perSecond` ms, whatever became of those before (open loop: a stall shows as latency,
 * not as fewer requests), until `stop` is called.
 */
export function steadyLoad(perSecond: number, send: () => Promise<Response>): SteadyLoad {
  const running: Promise<LoadSample>[] = [];
  const ended: LoadSample[] = [];
  const sendOne = async (): Promise<LoadSample> => {
    const result = await sample(send);
    ended.push(result);
    return result;
  };
  const timer = setInterval(() => running.push(sendOne()), 1_000 / perSecond);
  return {
    sent: () => running.length,
    ended,
    async stop() {
      clearInterval(timer);
      return Promise.all(running);
    },
  };
}

/**
 * Splits what was not answered: `refused` by a full queue, with a time to come back, and `failed`. Measured on two
 * processors that neighbours kept busy (load average 12): now and then even 20 requests a second are too many for a
 * healthy node, since its model host waits 200 ms for a turn.
 */
export function unanswered(samples: readonly LoadSample[]): {
  readonly failed: readonly LoadSample[];
  readonly refused: readonly LoadSample[];
} {
  const isRefused = ({ status, code, retryAfter }: LoadSample): boolean =>
    status === 429 && code === "QUEUE_FULL" && Number(retryAfter) >= 1;
  return {
    failed: samples.filter((sample) => sample.status !== 200 && !isRefused(sample)),
    refused: samples.filter(isRefused),
  };
}

/** `callers` at a time, each asking as soon as it was answered (closed loop), for `forMs`. */
export async function closedLoad(
  { callers, forMs }: { readonly callers: number; readonly forMs: number },
  send: () => Promise<Response>,
): Promise<readonly LoadSample[]> {
  const end = performance.now() + forMs;
  const samples: LoadSample[] = [];
  const call = async (): Promise<void> => {
    while (performance.now() < end) samples.push(await sample(send));
  };
  await Promise.all(Array.from({ length: callers }, call));
  return samples;
}

async function sample(send: () => Promise<Response>): Promise<LoadSample> {
  const sentAt = performance.now();
  try {
    const answer = await send();
    const text = await answer.text();
    return {
      sentAt,
      status: answer.status,
      ms: performance.now() - sentAt,
      node: answer.headers.get("skerry-node") ?? "",
      attempt: Number(/attempt=(\d+)/.exec(answer.headers.get("skerry-route") ?? "")?.[1] ?? 0),
      inferMs: Number(/infer;dur=([\d.]+)/.exec(answer.headers.get("server-timing") ?? "")?.[1] ?? 0),
      retryAfter: answer.headers.get("retry-after") ?? "",
      code: answer.headers.get("skerry-error") ?? "",
      error: answer.ok ? "" : text,
    };
  } catch (error) {
    const ms = performance.now() - sentAt;
    const nothing = { node: "", attempt: 0, inferMs: 0, retryAfter: "", code: "" };
    // `fetch failed` has what happened below it.
    return {
      sentAt,
      status: 0,
      ms,
      ...nothing,
      error: String(error instanceof Error ? (error.cause ?? error) : error),
    };
  }
}
