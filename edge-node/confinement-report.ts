import { findConfinement } from "./adapters/host-process/confinement.ts";

/** Prints what keeps model hosts inside on this machine, as JSON: for `skerry doctor edge`, which starts it by its path. */
const { measures } = await findConfinement();
process.stdout.write(`${JSON.stringify({ measures })}\n`);
