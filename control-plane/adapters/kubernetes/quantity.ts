const FACTORS: Readonly<Record<string, number>> = {
  m: 0.001,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 1_024,
  Mi: 1_048_576,
  Gi: 1_073_741_824,
  Ti: 1_099_511_627_776,
};

/** A quantity as Kubernetes writes it (`2Gi`, `500m`) as a number; undefined when it is none. */
export function quantity(text: string | number | undefined): number | undefined {
  const [, digits, unit = ""] = /^([0-9.]+(?:e[0-9]+)?)([A-Za-z]*)$/.exec(String(text ?? "")) ?? [];
  if (digits === undefined) return undefined;
  const factor = unit === "" ? 1 : FACTORS[unit];
  const value = Number(digits) * (factor ?? NaN);
  return Number.isFinite(value) ? value : undefined;
}
