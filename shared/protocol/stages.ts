/** What of a pipeline a request passes. `pre`: its inputs are raw; `decide`: the outputs have the decision beside them. */
export const STAGES = ["infer", "pre+infer", "infer+decide", "pre+infer+decide"] as const;
export type Stages = (typeof STAGES)[number];

export const hasPre = (stages: Stages): boolean => stages.startsWith("pre+");
export const hasDecide = (stages: Stages): boolean => stages.endsWith("+decide");
