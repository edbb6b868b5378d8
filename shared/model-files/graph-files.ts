import { externalLocations } from "./external-locations.ts";
import type { ModelFolder } from "./folder.ts";

/**
 * Paths of the files that a node gets for one graph of a bundle with several: all of `paths` but those that other graphs alone
 * need. The signer of a version and the check of it have to find the same.
 */
export function filesOfGraph(
  graph: string,
  { graphs, paths, folder }: { graphs: readonly string[]; paths: readonly string[]; folder: Readable },
): ReadonlySet<string> {
  const needs = (of: string): readonly string[] => {
    const beside = of.slice(0, of.lastIndexOf("/") + 1);
    return [of, ...externalLocations(folder, of).map((location) => beside + location)];
  };
  const own = new Set(needs(graph));
  const others = new Set(graphs.flatMap(needs));
  return new Set(paths.filter((path) => own.has(path) || !others.has(path)));
}

type Readable = Pick<ModelFolder, "size" | "read">;
