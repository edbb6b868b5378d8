import { findConfinement } from "./adapters/host-process/confinement.ts";
import { DEFAULT_HOST_UID } from "./adapters/host-process/host-user.ts";

/** Prints what keeps model hosts inside on this machine, as JSON: for `skerry doctor edge`, which starts it by its path. */
const hostUid = Number(process.env["SKERRY_HOST_UID"] ?? DEFAULT_HOST_UID);
const { measures } = await findConfinement({ hostUid });
process.stdout.write(`${JSON.stringify({ measures })}\n`);
