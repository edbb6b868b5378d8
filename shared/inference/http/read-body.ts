import type { Clock } from "../../base/clock.ts";
import { SkerryError } from "../../base/errors.ts";
import { release, own, type OwnedBytes } from "../../bytes/owned-bytes.ts";
import { inflate, isCompressed } from "./compression.ts";
import { headerOf, type HttpRequest } from "./message.ts";

export interface BodyBounds {
  readonly maxBytes: number;
  readonly withinMs: number;
  readonly clock: Clock;
  /** Called with what arrives; false refuses it (`RATE_LIMITED`): the process holds as much as it may. */
  readonly take?: (bytes: number) => boolean;
}

export interface Body {
  /** As they came from the network. */
  readonly pieces: readonly OwnedBytes[];
  readonly length: number;
}

/**
 * The whole body, inflated when it came compressed. Throws `TOO_LARGE` before anything is read when the length says so, `REQUEST_TIMEOUT`, `CANCELLED` when
 * the caller goes away.
 */
export function readBody(request: HttpRequest, bounds: BodyBounds): Body | Promise<Body> {
  const declared = Number(headerOf(request.headers, "content-length") ?? Number.NaN);
  const isInflated = isCompressed(request.headers);
  if (declared > bounds.maxBytes) throw tooLarge(bounds.maxBytes);
  if (isInflated) return inflated(request, bounds);
  return request.readableLength === declared ? arrived(request, bounds) : arriving(request, bounds);
}

/** Bounded twice: what arrives, and what comes out of it. Both count until the answer is there. */
async function inflated(request: HttpRequest, bounds: BodyBounds): Promise<Body> {
  const { pieces } = await arriving(request, bounds);
  const body = own(await inflate(pieces, bounds.maxBytes));
  for (const piece of pieces) release(piece);
  if (bounds.take && !bounds.take(body.length)) throw tooManyBytes();
  return { pieces: [body], length: body.length };
}

/**
 * A small body comes with its head, and is there once a microtask has run since the request event: to wait for it as for a
 * large one cost 4 % of the control plane's CPU.
 */
function arrived(request: HttpRequest, { take }: BodyBounds): Body {
  const body = request.read() as Buffer | null;
  request.resume(); // to its end, which comes after the last byte
  const length = body?.length ?? 0;
  if (take && !take(length)) throw tooManyBytes();
  return { pieces: body === null ? [] : [own(body)], length };
}

function arriving(request: HttpRequest, { maxBytes, withinMs, clock, take }: BodyBounds): Promise<Body> {
  return new Promise((resolve, reject) => {
    const pieces: OwnedBytes[] = [];
    let length = 0;
    const settle = (finish: () => void): void => {
      cancel();
      request.off("data", onData);
      request.off("end", onEnd);
      request.off("close", onGone);
      request.off("error", onGone);
      finish();
    };
    const fail = (error: SkerryError): void => settle(() => reject(error));
    const onData = (piece: Buffer): void => {
      length += piece.length;
      if (length > maxBytes) return fail(tooLarge(maxBytes));
      if (take && !take(piece.length)) return fail(tooManyBytes());
      pieces.push(own(piece));
    };
    const onEnd = (): void => settle(() => resolve({ pieces, length }));
    const onGone = (): void =>
      fail(new SkerryError("CANCELLED", "the caller went away before its request was complete"));
    const cancel = clock.after(withinMs, () =>
      fail(new SkerryError("REQUEST_TIMEOUT", `the body was not complete within ${withinMs / 1_000} s`)),
    );
    request.on("data", onData);
    request.on("end", onEnd);
    request.on("close", onGone);
    request.on("error", onGone);
  });
}

/** The body in one piece; the pieces of a longer one are freed. */
export function wholeBody({ pieces, length }: Body): OwnedBytes {
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined) return only;
  const body = own(Buffer.concat(pieces, length));
  for (const piece of pieces) release(piece);
  return body;
}

const tooManyBytes = (): SkerryError =>
  new SkerryError("RATE_LIMITED", "too many bytes of requests are under way", { retryAfterMs: 1_000 });

const tooLarge = (maxBytes: number): SkerryError =>
  new SkerryError("TOO_LARGE", `the body is larger than ${inBytes(maxBytes)}`);

const inBytes = (bytes: number): string => (bytes >= 1_048_576 ? `${bytes / 1_048_576} MiB` : `${bytes / 1_024} KiB`);
