/** How far a wave goes, in words. */
export function waveText(wave: {
  readonly percent?: number | undefined;
  readonly replicas?: number | undefined;
  readonly zone?: string | undefined;
  readonly where?: object | undefined;
}): string {
  if (wave.percent !== undefined) return `${wave.percent} %`;
  if (wave.replicas !== undefined) return `${wave.replicas} more`;
  return wave.zone === undefined ? "nodes that match" : `zone ${wave.zone}`;
}
