import { interruptedFailure } from "./failure.ts";
import type { Sink } from "./output/output.ts";

/** Reads one line that nobody may see: without echo from a terminal, as it is from a pipe. */
export async function readSecret(stdin: NodeJS.ReadStream, prompt: Sink, question: string): Promise<string> {
  if (!stdin.isTTY) return readFirstLine(stdin);
  prompt.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  try {
    return await typedLine(stdin);
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    prompt.write("\n");
  }
}

async function readFirstLine(stdin: AsyncIterable<Uint8Array | string>): Promise<string> {
  let text = "";
  for await (const piece of stdin) {
    text += typeof piece === "string" ? piece : Buffer.from(piece).toString("utf8");
    if (text.includes("\n")) break;
  }
  return text.split("\n")[0] ?? "";
}

// In raw mode the terminal hands over every key, so the three that matter in a line are ours to handle.
function typedLine(stdin: NodeJS.ReadStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let typed = "";
    const onData = (chunk: string): void => {
      for (const key of chunk) {
        if (key === "\r" || key === "\n") return finish(() => resolve(typed));
        if (key === "\u0003" || key === "\u0004") return finish(() => reject(interruptedFailure()));
        if (key === "\u007f" || key === "\b") typed = typed.slice(0, -1);
        else if (key >= " ") typed += key;
      }
    };
    const finish = (settle: () => void): void => {
      stdin.off("data", onData);
      settle();
    };
    stdin.on("data", onData);
  });
}
