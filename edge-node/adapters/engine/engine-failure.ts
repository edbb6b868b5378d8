import { hostFailure } from "../../app/hosts/host-failure.ts";

/**
 * The engine could not be asked, or went away. `wasSent`: it may have seen the request; otherwise another node may be asked
 * without a thought. The agent counts it as a model host that ended.
 */
export const engineFailure = (detail: string, { wasSent }: { readonly wasSent: boolean }): Error =>
  Object.assign(hostFailure("HOST_CRASHED", detail), { started: wasSent });
