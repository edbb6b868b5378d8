import { z } from "zod";

const readiness = z.object({ reasons: z.array(z.string()) });

/** Why a node's `/readyz` says no; empty when it says yes or nothing within 2 s. */
export async function reasonsOf(url: string, signal: AbortSignal): Promise<readonly string[]> {
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(2_000)]) });
    return readiness.parse(await response.json()).reasons;
  } catch {
    signal.throwIfAborted();
    return [];
  }
}
