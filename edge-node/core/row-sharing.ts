import type { Manifest } from "../../shared/protocol/manifest.ts";

/**
 * Why the requests of a version may not share a run; undefined when its graph proves that rows are independent, or the
 * operator declares it. Trials of the host come after, as a second line.
 */
export function noSharingReason({ rows }: Pick<Manifest, "rows">, isDeclared: boolean | undefined): string | undefined {
  if (isDeclared === true || rows?.kind === "independent") return undefined;
  const why = rows ? rows.reason : "the version was published before graphs were examined: publish it again";
  return `the graph does not prove that rows are independent: ${why}`;
}
