import { type BackoffPolicy, fullJitter } from "../../shared/flow/backoff.ts";
import { sleep, systemClock } from "../../shared/base/clock.ts";
import { systemRandom } from "../../shared/base/random.ts";
import type { CommandContext } from "../run.ts";
import type { ApiClient, Call } from "./client.ts";
import { readEventStream, type StreamMessage } from "./event-stream.ts";
import { isApiFailure, mayPass } from "./problem.ts";

/** Without a limit on attempts: a watch lasts until it is interrupted. */
const RECONNECT: BackoffPolicy = { baseMs: 500, maxMs: 5_000 };
/** The server sends something every 5 s. */
const SILENT_MS = 20_000;

/**
 * The messages of a stream until the run is interrupted. After a connection that broke, ended or fell silent it goes on
 * after the last message with an id. Throws when the first connection fails, or the server refuses a later one.
 */
export async function* followStream(
  run: Pick<CommandContext, "signal" | "output">,
  api: ApiClient,
  request: {
    readonly path: string;
    /** `after`: the id of the last message, when there was one. */
    readonly query: (after: string | undefined) => NonNullable<Call["query"]>;
    readonly after?: string | undefined;
    /** For a person, e.g. `events`. */
    readonly what: string;
    /** Called with true when a connection opens and with false when it breaks. Without it, the break is printed. */
    readonly onLink?: ((isOpen: boolean) => void) | undefined;
  },
): AsyncGenerator<StreamMessage, never> {
  let last = request.after;
  let isOpened = false;
  let failures = 0;
  for (;;) {
    const silence = new Silence();
    try {
      const response = await api.stream(request.path, {
        headers: { Accept: "text/event-stream", ...(last !== undefined && { "Last-Event-ID": last }) },
        query: request.query(last),
        signal: AbortSignal.any([silence.signal, run.signal]),
      });
      isOpened = true;
      request.onLink?.(true);
      for await (const message of readEventStream(silence.watch(response.body ?? new ReadableStream()))) {
        failures = 0;
        last = message.id ?? last;
        yield message;
      }
    } catch (error) {
      run.signal.throwIfAborted();
      if (!mayPass(error) || !(isOpened || isApiFailure(error))) throw error;
    } finally {
      silence.end();
    }
    if (request.onLink) request.onLink(false);
    else if (failures === 0) run.output.say(`The stream of ${request.what} broke; trying again.`);
    await sleep(systemClock, fullJitter(RECONNECT, failures, systemRandom), run.signal);
    failures += 1;
  }
}

/** Aborts its signal when a body brings nothing for 20 s. */
class Silence {
  readonly #controller = new AbortController();
  #cancel: () => void = () => undefined;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  async *watch(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    this.#begin();
    for await (const bytes of body) {
      this.#begin();
      yield bytes;
    }
  }

  end(): void {
    this.#cancel();
    this.#controller.abort(); // frees a connection whose reader left early
  }

  #begin(): void {
    this.#cancel();
    this.#cancel = systemClock.after(SILENT_MS, () => this.#controller.abort());
  }
}
