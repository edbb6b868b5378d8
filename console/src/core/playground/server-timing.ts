/** A part of a request's time. */
export interface TimePart {
  readonly name: string;
  readonly ms: number;
  /** From the beginning of the request, in ms. */
  readonly startMs: number;
}

const NAMES: Readonly<Record<string, string>> = {
  route: "choosing a node",
  wire: "on the wire",
  queue: "in the node's queue",
  infer: "in the model",
};

/**
 * `Server-Timing: route;dur=0.1, infer;dur=2.1` one after the other, and what is left of `headMs`, the time until the answer began as this
 * page measured it: the way to the control plane and back. An answer that comes in pieces goes on for `restMs`.
 */
export function waterfallOf(header: string | null, headMs: number, restMs = 0): readonly TimePart[] {
  const parts = (header ?? "").split(",").flatMap((part) => {
    const [name = "", ...parameters] = part.split(";").map((text) => text.trim());
    const ms = Number(parameters.find((text) => text.startsWith("dur="))?.slice(4));
    return name === "" || !Number.isFinite(ms) ? [] : [{ name: NAMES[name] ?? name, ms }];
  });
  const known = parts.reduce((sum, { ms }) => sum + ms, 0);
  const between = Math.max(0, headMs - known);
  let startMs = 0;
  const after = restMs > 0 ? [{ name: "in pieces, until the end", ms: restMs }] : [];
  return [{ name: "browser and network", ms: between }, ...parts, ...after].map((part) => {
    const placed = { ...part, startMs };
    startMs += part.ms;
    return placed;
  });
}
