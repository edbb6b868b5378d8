import type { Style } from "./paint.ts";
import { formatAge } from "./units.ts";

/** What a live table says while its streams are broken. The table below is kept as it was. */
export const linkAwayLine = (server: string, awayMs: number, paint: Style): string =>
  paint.bad(`no link to ${server} for ${formatAge(awayMs)}: what is below is as it was then; trying again`);
