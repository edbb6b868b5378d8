import { StepFault } from "./step.ts";

/** Numbers that one step may make for one request, so that a small body does not become gigabytes. */
const MAX_NUMBERS = 16_777_216;

/** Multiplications that one step may need for one request: some seconds. */
const MAX_OPERATIONS = 2 ** 31;

/** Throws `StepFault` before they are computed. */
export function checkOperations(count: number): void {
  if (count > MAX_OPERATIONS)
    throw new StepFault(`it would take ${count} multiplications; ${MAX_OPERATIONS} are the most for a request`);
}

/** Throws `StepFault` before the numbers are made. */
export function checkNumbers(count: number): void {
  if (count > MAX_NUMBERS)
    throw new StepFault(`it would make ${count} numbers; ${MAX_NUMBERS} are the most for a request`);
}
