import { StepFault } from "./step.ts";

/** Numbers that one step may make for one request, so that a small body does not become gigabytes. */
const MAX_NUMBERS = 16_777_216;

/** Throws `StepFault` before the numbers are made. */
export function checkNumbers(count: number): void {
  if (count > MAX_NUMBERS)
    throw new StepFault(`it would make ${count} numbers; ${MAX_NUMBERS} are the most for a request`);
}
