import type { Command } from "commander";

/** Words that may follow a command: its sub-commands and its options. */
interface Place {
  /** `nodes ls`, or nothing for the top. */
  readonly path: string;
  readonly words: readonly string[];
}

/** A script for the shell, with everything in it: completing never starts Node. */
export function completionScript(program: Command, shell: "bash" | "zsh" | "fish"): string {
  const places = collect(program, "");
  switch (shell) {
    case "bash":
      return bash(places);
    case "zsh":
      return `autoload -U +X bashcompinit && bashcompinit\n${bash(places)}`;
    case "fish":
      return fish(places);
  }
}

function collect(command: Command, path: string): readonly Place[] {
  const names = command.commands.map((child) => child.name());
  const options = [...command.options, ...(path === "" ? [] : globalsOf(command))].flatMap(({ long }) =>
    long === undefined || long === null ? [] : [long],
  );
  const below = command.commands.flatMap((child) =>
    collect(child, path === "" ? child.name() : `${path} ${child.name()}`),
  );
  return [{ path, words: [...names, ...options, "--help"] }, ...below];
}

function globalsOf(command: Command): Command["options"] {
  let top = command;
  while (top.parent !== null) top = top.parent;
  return top.options;
}

function bash(places: readonly Place[]): string {
  const cases = places.map(
    ({ path, words }) => `    ${path === "" ? '""' : `"${path}"`}) words="${words.join(" ")}" ;;`,
  );
  return [
    "_skerry() {",
    '  local word current="${COMP_WORDS[COMP_CWORD]}" path="" words=""',
    '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
    '    case "$word" in -*) ;; *) path="${path:+$path }$word" ;; esac',
    "  done",
    '  case "$path" in',
    ...cases,
    "    *) return ;;",
    "  esac",
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    "}",
    "complete -o default -F _skerry skerry",
  ].join("\n");
}

function fish(places: readonly Place[]): string {
  const lines = places.flatMap(({ path, words }) => {
    const depth = path === "" ? 0 : path.split(" ").length;
    return words.map((word) => {
      const what = word.startsWith("--") ? `-l ${word.slice(2)}` : `-a ${word}`;
      return `complete -c skerry -n '__skerry_at ${depth} "${path}"' ${what}`;
    });
  });
  return [
    "function __skerry_at",
    "  set -l words (commandline -opc | string match -v -- '-*')",
    "  test (count $words) -eq (math $argv[1] + 1); or return 1",
    "  test $argv[1] -eq 0; or test (string join ' ' $words[2..]) = $argv[2]",
    "end",
    "complete -c skerry -f",
    ...lines,
  ].join("\n");
}
