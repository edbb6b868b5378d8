import type { Place, ValueOption } from "./places.ts";

/** For bash, and for zsh, which can run it: no arrays by name, no `[[`, no bashisms beyond arrays. */
export function bashScript(places: readonly Place[], options: readonly ValueOption[]): string {
  const [plain, special] = [
    options.filter(({ words, names }) => words.length === 0 && names === undefined),
    options.filter(({ words, names }) => words.length > 0 || names !== undefined),
  ];
  const paths = places.flatMap(({ path }) => (path === "" ? [] : [`"${path}"`]));
  return [
    "_skerry() {",
    '  local current="${COMP_WORDS[COMP_CWORD]}" path="" option="" words="" names="" options="" arguments=0 word',
    "  local target=()",
    '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
    '    if [ -n "$option" ]; then',
    // The names come from the server that the line itself names.
    '      case "$option" in --server|--context|--ca) target+=("$option" "$word") ;; esac',
    '      option=""; continue',
    "    fi",
    '    case "$word" in',
    `      ${options.flatMap(({ flags }) => flags).join("|")}) option="$word" ;;`,
    "      -*) ;;",
    "      *)",
    '        case "${path:+$path }$word" in',
    `          ${paths.join("|")}) path="\${path:+$path }$word" ;;`,
    "          *) arguments=$((arguments + 1)) ;;",
    "        esac ;;",
    "    esac",
    "  done",
    '  case "$option" in',
    ...special.map(
      ({ flags, words, names }) => `    ${flags.join("|")}) words="${words.join(" ")}" names="${names ?? ""}" ;;`,
    ),
    `    ${plain.flatMap(({ flags }) => flags).join("|")}) return ;;`,
    "    *)",
    '      case "$path" in',
    ...places.map(
      (place) =>
        `        "${place.path}") words="${place.words.join(" ")}" names="${place.names ?? ""}" options="${place.options.join(" ")}" ;;`,
    ),
    "      esac",
    '      case "$current" in -*) words="$options" names="" ;; *) [ "$arguments" = 0 ] || return ;; esac ;;',
    "  esac",
    '  if [ -n "$names" ]; then words="$words $("${COMP_WORDS[0]}" complete "$names" "${target[@]}" 2>/dev/null)"; fi',
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    "}",
    "complete -o default -F _skerry skerry",
  ].join("\n");
}
