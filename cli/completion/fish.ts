import type { Place, ValueOption } from "./places.ts";

export function fishScript(places: readonly Place[], options: readonly ValueOption[]): string {
  const atPlaces = places.flatMap(({ path, words, names, options: flags }) => {
    const depth = path === "" ? 0 : path.split(" ").length;
    const line = (what: string): string => `complete -c skerry -n '__skerry_at ${depth} "${path}"' ${what}`;
    return [
      ...words.map((word) => line(`-a ${word}`)),
      ...(names === undefined ? [] : [line(`-a '(__skerry_names ${names})'`)]),
      ...flags.map((flag) => line(`-l ${flag.slice(2)}`)),
    ];
  });
  const values = options
    .filter(({ words, names }) => words.length > 0 || names !== undefined)
    .flatMap(({ flags, words, names }) => {
      const long = flags.find((flag) => flag.startsWith("--"));
      const what = names === undefined ? words.join(" ") : `(__skerry_names ${names})`;
      return long === undefined ? [] : [`complete -c skerry -l ${long.slice(2)} -x -a '${what}'`];
    });
  return [
    "function __skerry_at",
    "  set -l words (commandline -opc | string match -v -- '-*')",
    "  test (count $words) -eq (math $argv[1] + 1); or return 1",
    "  test $argv[1] -eq 0; or test (string join ' ' $words[2..]) = $argv[2]",
    "end",
    "function __skerry_names",
    "  skerry complete $argv[1] 2>/dev/null",
    "end",
    "complete -c skerry -f",
    ...atPlaces,
    ...values,
  ].join("\n");
}
