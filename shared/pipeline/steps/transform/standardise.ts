import { z } from "zod";
import { mapColumns } from "../../tables/map-columns.ts";

/** Numbers → (number − mean) ÷ scale, in FP64, as scikit-learn's `StandardScaler` computes it. */
export const standardise = mapColumns({
  name: "standardise",
  /** Of each column what training saw: `mean_` and `scale_` of scikit-learn's `StandardScaler`. */
  rule: z.strictObject({ mean: z.number(), scale: z.number().positive() }),
  map: (value, { mean, scale }) => (value - mean) / scale,
});
