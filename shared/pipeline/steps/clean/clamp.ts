import { z } from "zod";
import { mapColumns } from "../../tables/map-columns.ts";

/** Numbers beyond a bound become the bound; as `numpy.clip`. A missing one stays missing. */
export const clamp = mapColumns({
  name: "clamp",
  /** The smallest and the largest number that a column keeps. */
  rule: z.strictObject({ min: z.number().default(-Infinity), max: z.number().default(Infinity) }),
  map: (value, { min, max }) => Math.min(max, Math.max(min, value)),
});
