/** What is wrong with samples, and what to do. */
export interface SamplesFault extends Error {
  readonly name: "SamplesFault";
  readonly fix: string;
}

export const samplesFault = (what: string, fix: string): SamplesFault =>
  Object.assign(new Error(what), { name: "SamplesFault" as const, fix });

/** By name: under Jest the class of errors exists once per realm. */
export const isSamplesFault = (error: unknown): error is SamplesFault =>
  Error.isError(error) && error.name === "SamplesFault" && "fix" in error;
