import type { DesiredStream } from "../../../shared/protocol/streams.ts";

/** What of a placement declares streams. */
interface Declaring {
  readonly deployment: string;
  readonly want: "serve" | "hold";
  readonly streams: readonly DesiredStream[];
}

interface Declared {
  readonly stream: { readonly deployment: string; readonly name: string };
  readonly spec: DesiredStream;
}

/** How a stream is called on its node: in paths, logs and idempotency keys. */
export const nameOf = ({ deployment, name }: Declared["stream"]): string => `${deployment}/${name}`;

/**
 * The streams that the placements of a node declare, by name. While two versions of a deployment are here, both say the same,
 * but for the moment between two messages: the newer placement, which comes last, is believed.
 */
export function declaredStreams(placements: readonly Declaring[]): ReadonlyMap<string, Declared> {
  const found = placements
    .filter(({ want }) => want === "serve")
    .flatMap(({ deployment, streams }) =>
      streams.map((spec): Declared => ({ stream: { deployment, name: spec.name }, spec })),
    );
  return new Map(found.map((declared) => [nameOf(declared.stream), declared]));
}

/** Whether a running stream need not be begun anew. */
export const isSameStream = (a: DesiredStream, b: DesiredStream): boolean =>
  a.source === b.source &&
  a.sink === b.sink &&
  a.expirySeconds === b.expirySeconds &&
  a.maxMiB === b.maxMiB &&
  a.whenFull === b.whenFull;
