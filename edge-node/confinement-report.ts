import { findConfinement } from "./adapters/host-process/confinement/confinement.ts";
import { DEFAULT_HOST_UID } from "./adapters/host-process/confinement/host-user.ts";

/** Prints what keeps model hosts inside on this machine, as JSON: for `skerry doctor edge`, which starts it by its path. Its argument: a folder below which nodes have theirs. */
const hostUid = Number(process.env["SKERRY_HOST_UID"] ?? DEFAULT_HOST_UID);
const [below] = process.argv.slice(2);
const { measures } = await findConfinement({ hostUid, below });
process.stdout.write(`${JSON.stringify({ measures })}\n`);
