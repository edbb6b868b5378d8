import { messageOf } from "../../shared/base/errors.ts";
import { EventLink } from "./link/event-link.ts";
import { type HostEvent, LINK_FD } from "./link/link-frame.ts";
import { isOutOfMemory } from "./out-of-memory.ts";

/** The requests that are under way in a host. */
interface Requests {
  ask(requestId: number, body: Uint8Array, maxRows: number): void;
  cancel(requestId: number): void;
  /** The reader takes so many bytes more. */
  grant(requestId: number, bytes: number): void;
  /** Resolves when nothing waits or runs. */
  idle(): Promise<void>;
}

interface Program<Model> {
  load(): Promise<Model>;
  /** Makes its first runs. What it returns beside the requests goes into the event `ready`. */
  warmUp(
    model: Model,
  ): Promise<{ readonly requests: Requests } & Omit<Extract<HostEvent, { event: "ready" }>, "event" | "warnings">>;
  /** The memory limit is another one from now on. */
  onLimit?(): void;
  /** What the message of a failed start says, on one line. */
  wordsOf(message: string): string;
}

/**
 * The program of a host that answers several requests at once: loads the model, makes its first runs, and answers until the
 * agent closes the link. Then what runs is answered, and the process ends. The agent kills it when it takes too long.
 */
export async function serveRequests<Model>(programOf: (link: EventLink) => Program<Model>): Promise<void> {
  let requests: Requests | undefined;
  const end = async (exitCode: number): Promise<void> => {
    await requests?.idle();
    await link.close();
    process.exit(exitCode);
  };
  const link: EventLink = new EventLink(LINK_FD, {
    onRequest: (requestId, body, maxRows) => requests?.ask(requestId, body, maxRows),
    onCancel: (requestId) => requests?.cancel(requestId),
    onCredit: (requestId, bytes) => requests?.grant(requestId, bytes),
    onLimit: () => program.onLimit?.(),
    onClosed: () => void end(0),
  });
  const program = programOf(link);
  let phase: "loading" | "warming" = "loading";
  try {
    const before = performance.now();
    const model = await program.load();
    link.sendEvent({ event: "loaded", inputs: [], outputs: [], loadMs: Math.round(performance.now() - before) });
    phase = "warming";
    const { requests: made, ...facts } = await program.warmUp(model);
    requests = made;
    link.sendEvent({ event: "ready", warnings: [], ...facts });
  } catch (error) {
    const message = messageOf(error);
    link.sendEvent({
      event: "failed",
      phase,
      outOfMemory: isOutOfMemory(message),
      detail: program.wordsOf(message),
    });
    await end(1);
  }
}
