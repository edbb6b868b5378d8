/** `Server-Timing: route;dur=0.1, infer;dur=2.1` as names and milliseconds, in their order. */
export function parseServerTiming(header: string | null): readonly { readonly name: string; readonly ms: number }[] {
  if (header === null) return [];
  return header.split(",").flatMap((part) => {
    const [name = "", ...parameters] = part.split(";").map((text) => text.trim());
    const duration = parameters.find((parameter) => parameter.startsWith("dur="))?.slice("dur=".length);
    const ms = Number(duration);
    return name === "" || duration === undefined || !Number.isFinite(ms) ? [] : [{ name, ms }];
  });
}
