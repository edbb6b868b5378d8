import { z } from "zod";
import type { Clock } from "../../../../shared/base/clock.ts";
import { isSkerryError } from "../../../../shared/base/errors.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import type { RequestFacts } from "./route.ts";

export const STREAM_TYPE = "text/event-stream";
/** How often the key of an open stream is checked again. */
const RECHECK_MS = 5_000;

/** One event of a stream as its reader takes it apart; the schema of OpenAPI 3.1 describes these, not the stream. */
export const streamEvent = z
  .object({
    id: z.string().optional(),
    event: z.string().optional(),
    data: z.string().meta({ contentMediaType: "application/json" }),
  })
  .meta({ id: "StreamEvent" });

interface StreamMessage {
  /** Left out: the place to resume after stays the one before. */
  readonly id?: string;
  /** Left out: `message`. */
  readonly event?: string;
  readonly data: unknown;
}

/** Makes answers of `text/event-stream`: messages one after the other, for as long as the caller reads them. */
export class EventStreams {
  readonly #authenticator: Authenticator;
  readonly #clock: Clock;

  constructor(parts: { authenticator: Authenticator; clock: Clock }) {
    this.#authenticator = parts.authenticator;
    this.#clock = parts.clock;
  }

  /** The batches as a stream. It ends soon after the caller's key was revoked. An empty batch keeps proxies from closing it. */
  reply<Message>(
    batches: AsyncGenerator<readonly Message[]>,
    request: Pick<RequestFacts, "header" | "address">,
    toMessage: (message: Message) => StreamMessage,
  ): { stream: AsyncIterable<Uint8Array>; headers: Readonly<Record<string, string>> } {
    return {
      stream: encode(this.#whileKeyIsGood(batches, request), toMessage),
      headers: { "Content-Type": STREAM_TYPE, "X-Accel-Buffering": "no" },
    };
  }

  /** A key that is revoked while its stream is open gets nothing more. An outage of Postgres is no revocation. */
  async *#whileKeyIsGood<Message>(
    batches: AsyncGenerator<readonly Message[]>,
    { header, address }: Pick<RequestFacts, "header" | "address">,
  ): AsyncGenerator<readonly Message[]> {
    let checkedAt = this.#clock.now();
    for await (const batch of batches) {
      if (this.#clock.now() - checkedAt >= RECHECK_MS) {
        if (!(await this.#isKeyGood(header("authorization"), address))) return;
        checkedAt = this.#clock.now();
      }
      yield batch;
    }
  }

  async #isKeyGood(authorization: string | undefined, address: string): Promise<boolean> {
    try {
      await this.#authenticator.authenticate(authorization, address);
      return true;
    } catch (error) {
      return isSkerryError(error) && error.code === "DATABASE_UNAVAILABLE";
    }
  }
}

async function* encode<Message>(
  batches: AsyncGenerator<readonly Message[]>,
  toMessage: (message: Message) => StreamMessage,
): AsyncGenerator<Uint8Array> {
  yield Buffer.from("retry: 2000\n\n");
  for await (const batch of batches) {
    const text = batch.map((each) => lines(toMessage(each))).join("");
    yield Buffer.from(text === "" ? ": heartbeat\n\n" : text);
  }
}

const lines = ({ id, event, data }: StreamMessage): string =>
  `${field("id", id)}${field("event", event)}data: ${JSON.stringify(data)}\n\n`;

const field = (name: string, value: string | undefined): string => (value === undefined ? "" : `${name}: ${value}\n`);
