import type { Argument, Command, Option } from "commander";
import { examplesFor } from "../examples.ts";

const HEAD = `# The command line

<!-- Generated from the commands themselves by \`npm run -s skerry -- docs > docs/cli.md\`; a test fails when it drifts. -->

In a clone the tool is started as \`npm run -s skerry -- COMMAND\`; below it is written \`skerry COMMAND\`.

Data goes to stdout and words to stderr, so \`skerry … -o json | jq\` never meets a sentence. Progress bars show only on a
terminal. \`-o json\` prints the API's answer as it is. Every change ends with a line \`Next: skerry …\` on stderr.

## Whom a command speaks to

The first of these that is set: \`--server\`, \`--context\`, the environment variable SKERRY_SERVER, the context that
\`skerry context use\` chose, the \`skerry dev\` that runs in this folder or above it (its admin key is read from
\`.skerry/admin.key\`), \`http://127.0.0.1:7070\`. The key is SKERRY_API_KEY, or the one that was kept for this very address;
a key is never sent to another address. \`skerry context\` says which it is.

| variable | meaning |
|---|---|
| SKERRY_SERVER, SKERRY_API_KEY | server and key, instead of a context |
| SKERRY_CONFIG | the file with the contexts, instead of \`~/.config/skerry/config.json\` |
| SKERRY_PORT, SKERRY_NODE_PORTS | ports of \`skerry dev\`, as \`--port\` and \`--node-ports\` |
| DATABASE_URL | a PostgreSQL for \`skerry dev\`, instead of the embedded one |
| NO_COLOR | no colours |
| SKERRY_DEBUG | 1: faults of the tool come with their stack |

## Exit codes

| code | meaning |
|---|---|
| 0 | done; for \`skerry dev\`, also when Ctrl-C ended it after it was ready |
| 1 | an error; \`skerry dev --once\`: fewer than nine in ten answers were right |
| 2 | something cannot be placed, or a wait ended unmet |
| 3 | \`skerry plan\` or \`skerry explain --what-if\` found changes |
| 4 | not allowed |
| 5 | not found |
| 6 | conflict: somebody changed the object meanwhile, or its state does not allow this |
| 64 | the command line is wrong |
| 130 | interrupted |
`;

/** The command that prints this page, and the one that scripts of shells run. */
const HIDDEN: ReadonlySet<string> = new Set(["docs", "complete"]);

/** docs/cli.md: every command with its arguments, options and examples, from what \`--help\` knows. */
export function renderDocs(program: Command): string {
  const globals = ["## Options of every command\n", optionTable(program.options)].join("\n");
  const commands = leaves(program, []).map(({ command, path }) => section(command, path));
  return `${[HEAD, globals, "## Commands\n", ...commands].join("\n").trimEnd()}\n`;
}

interface Leaf {
  readonly command: Command;
  readonly path: readonly string[];
}

function leaves(command: Command, path: readonly string[]): readonly Leaf[] {
  return command.commands.flatMap((child) => {
    if (HIDDEN.has(child.name())) return [];
    const below = [...path, child.name()];
    // A command with options of its own does something, also when others are below it: `audit` and `audit verify`.
    const isCommand = child.commands.length === 0 || child.options.length > 0;
    return [...(isCommand ? [{ command: child, path: below }] : []), ...leaves(child, below)];
  });
}

function section(command: Command, path: readonly string[]): string {
  const words = ["skerry", ...path, ...command.registeredArguments.map(argumentText)].join(" ");
  const required = command.options
    .filter(({ mandatory }) => mandatory)
    .map(({ flags }) => ` ${flags.split(", ").at(-1)}`);
  const parts = [
    `### ${path.join(" ")}\n`,
    `\`${words}${required.join("")}\`\n`,
    `${sentence(command.description())}\n`,
  ];
  const rows = [
    ...command.registeredArguments.map((argument) => [`\`${argumentText(argument)}\``, argumentMeaning(argument)]),
    ...command.options.map((option) => [`\`${option.flags}\``, optionMeaning(option)]),
  ];
  if (rows.length > 0) parts.push(table(rows));
  const examples = examplesFor(command);
  if (examples.length > 0) parts.push(`\`\`\`\n${examples.join("\n")}\n\`\`\`\n`);
  return parts.join("\n");
}

const argumentText = (argument: Argument): string =>
  argument.required ? `<${argument.name()}>` : `[${argument.name()}]`;
const argumentMeaning = (argument: Argument): string => withChoices(argument.description, argument.argChoices);

function optionMeaning(option: Option): string {
  const byDefault =
    option.defaultValue === undefined || option.negate
      ? ""
      : ` (default: ${option.defaultValueDescription ?? String(option.defaultValue)})`;
  return withChoices(option.description, option.argChoices) + byDefault;
}

const withChoices = (text: string, choices: readonly string[] | undefined): string =>
  choices === undefined ? text : `${text}: ${choices.join(", ")}`;
const optionTable = (options: readonly Option[]): string =>
  table(options.map((option) => [`\`${option.flags}\``, optionMeaning(option)]));
const table = (rows: readonly (readonly string[])[]): string =>
  [
    "| | |",
    "|---|---|",
    ...rows.map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`),
    "",
  ].join("\n");
const sentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;
