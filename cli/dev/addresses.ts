import { relative } from "node:path";
import { CODE_FRAGMENT, sessionCode } from "../../shared/api/v1/access/login.ts";
import { type ApiClient, decode } from "../api/client.ts";
import { answersOk } from "../processes/answers.ts";
import type { CommandContext } from "../run.ts";
import type { DevSettings } from "./settings.ts";
import type { DevStack } from "./stack.ts";

/** Says what can be opened and asked now. Pages are named only when they answer. */
export async function printAddresses(
  run: CommandContext,
  settings: DevSettings,
  { stack, api }: { readonly stack: DevStack; readonly api: ApiClient },
): Promise<void> {
  const { server } = stack;
  const lines: (readonly [string, string])[] = [];
  if (await answersOk(`${server}/`, run.signal))
    lines.push(
      ["Console", `${server}/`],
      ["", `${await signInUrl(server, api)} (signs you in, once, within 2 minutes)`],
    );
  if (await answersOk(`${server}/docs/api`, run.signal)) lines.push(["API reference", `${server}/docs/api`]);
  lines.push(["Inference", `${server}/v2/models/digits/infer`]);
  for (const { name, port } of settings.nodes) lines.push([name, `http://127.0.0.1:${port}/v2`]);
  const here = (path: string): string => relative(run.processEnv.cwd, path) || ".";
  lines.push(
    ["Admin key", `${here(stack.adminKeyFile)} (for you alone: mode 0600)`],
    ["Logs", here(`${settings.directory}/logs`)],
  );
  lines.push(["Try", "npm run -s skerry -- nodes ls"], ["", "npm run -s skerry -- explain digits"]);
  run.output.data(`\n${lines.map(([name, value]) => `  ${name.padEnd(14)} ${value}`).join("\n")}`);
}

/** An address that begins a session of the admin's key in a browser. The code is behind `#`, which no server is sent. */
async function signInUrl(server: string, api: ApiClient): Promise<string> {
  const { body } = await api.post("/api/v1/session/codes");
  return `${server}/#${CODE_FRAGMENT}=${decode(sessionCode, body, "a code").code}`;
}
