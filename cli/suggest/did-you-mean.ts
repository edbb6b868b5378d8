import { z } from "zod";
import { isApiFailure } from "../api/problem.ts";
import { CliFailure } from "../failure.ts";
import type { CommandContext } from "../run.ts";
import { nearest } from "./nearest.ts";

/** A failure that waits longer for its advice is worse than one without. */
const DEADLINE_MS = 2_000;
const page = z.looseObject({ items: z.array(z.looseObject({ name: z.string() })) });

/** Lists whose objects a command names. `/v2/models/NAME` is a model, too. */
const NAMED = /^\/(?:api\/v1\/(nodes|models|deployments|cloud-pools)|v2\/(models))\/([^/?]+)/;

/** The failure to throw: of an object that is not found, with the name that was probably meant. */
export async function withSuggestion(error: unknown, run: CommandContext): Promise<unknown> {
  if (!isApiFailure(error) || error.status !== 404) return error;
  const { parts, exitCode } = error;
  const asked = parts.notes?.find(([label]) => label === "asked")?.[1].split(" ")[1] ?? "";
  const [, list = "models", , name] = NAMED.exec(URL.parse(asked)?.pathname ?? "") ?? [];
  if (name === undefined) return error;
  const meant = nearest(decodeURIComponent(name), await namesOf(run, list));
  if (meant === undefined) return error;
  const fix = [`did you mean ${meant}?`, ...(parts.fix === undefined ? [] : [parts.fix])].join("\n");
  return new CliFailure(exitCode, { ...parts, fix }, { cause: error });
}

async function namesOf(run: CommandContext, list: string): Promise<readonly string[]> {
  try {
    const api = await run.api();
    const answer = await api.call("GET", `/api/v1/${list}`, { query: { limit: 500 }, timeoutMs: DEADLINE_MS });
    return page.parse(answer.body).items.map(({ name }) => name);
  } catch {
    return [];
  }
}
