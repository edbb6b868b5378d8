import { isSkerryError } from "../../../../shared/base/errors.ts";

/** Code and text of what `call` throws; fails the test when it throws nothing. */
export function refusal(call: () => unknown): { readonly code: string; readonly text: string } {
  try {
    call();
  } catch (error) {
    if (isSkerryError(error)) return { code: error.code, text: error.message };
    throw error;
  }
  throw new Error("nothing was refused");
}
