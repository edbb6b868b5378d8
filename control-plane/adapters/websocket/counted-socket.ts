import { WebSocket } from "ws";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";

/** By number: the codes of `CLOSE`, and those that ws itself closes with, for text that is no UTF-8 and for too many fragments. */
const NAMES: ReadonlyMap<number, string> = new Map([
  ...Object.entries(CLOSE).map(([name, code]) => [code, name.toLowerCase().replaceAll("_", "-")] as const),
  [1007, "invalid-text"],
  [1008, "too-many-fragments"],
]);

/**
 * A class of sockets that tell `onEnded` once why this side ended them, by the name of the code: also what ws ends by itself,
 * because a frame or a message breaks its limits. What the other side ends first, or is lost, is not told.
 */
export const countedSocket = (onEnded: (reason: string) => void): typeof WebSocket =>
  class extends WebSocket {
    override close(...args: Parameters<WebSocket["close"]>): void {
      const [code] = args;
      // ws answers a close of the other side with the same code by this method, and says so nowhere else.
      const isAnswer = Reflect.get(this, "_closeFrameReceived") === true;
      const isFirst = this.readyState === this.OPEN && !isAnswer;
      super.close(...args);
      if (isFirst && code !== undefined) onEnded(NAMES.get(code) ?? "other");
    }
  };
