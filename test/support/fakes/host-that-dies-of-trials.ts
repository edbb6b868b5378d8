import { BlockingLink } from "../../../edge-node/model-host/link/blocking-link.ts";
import { type HostTask, LINK_FD } from "../../../edge-node/model-host/link/link-frame.ts";

/** A model host that ends with SIGSEGV in its first run on made-up values, and is the real one without them. */
const { withoutTrials } = JSON.parse(process.argv[2] ?? "") as HostTask;
if (withoutTrials !== true) {
  new BlockingLink(LINK_FD).sendEvent({ event: "loaded", inputs: [], outputs: [], loadMs: 1 });
  process.kill(process.pid, "SIGSEGV");
}
await import("../../../edge-node/model-host/main.ts");
