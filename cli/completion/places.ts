import type { Argument, Command, Option } from "commander";

/** What the words at one place are the names of: the shell asks `skerry complete KIND` for them. */
export const NAME_KINDS = ["nodes", "models", "deployments", "pools", "contexts"] as const;
export type NameKind = (typeof NAME_KINDS)[number];

/** What may follow a command. */
export interface Place {
  /** `nodes ls`, or nothing for the top. */
  readonly path: string;
  /** Sub-commands, or the choices of the first argument. */
  readonly words: readonly string[];
  /** Of objects, as the first argument. */
  readonly names: NameKind | undefined;
  readonly options: readonly string[];
}

/** An option that takes a value, and what that may be. */
export interface ValueOption {
  readonly flags: readonly string[];
  readonly words: readonly string[];
  readonly names: NameKind | undefined;
}

/** Every command with what may follow it. Commands that are hidden from `--help` are left out. */
export function placesOf(command: Command, path = ""): readonly Place[] {
  const children = command.commands.filter((child) => isShown(command, child));
  const argument = command.registeredArguments[0];
  const options = [...command.options, ...(command.parent === null ? [] : topOf(command).options)];
  const place = {
    path,
    words: [...children.map((child) => child.name()), ...(argument?.argChoices ?? [])],
    names: argument && kindOfArgument(argument, path),
    options: [...options.flatMap(({ long }) => long ?? []), "--help"],
  };
  return [
    place,
    ...children.flatMap((child) => placesOf(child, path === "" ? child.name() : `${path} ${child.name()}`)),
  ];
}

/** Every option with a value, once. */
export function valueOptionsOf(command: Command): readonly ValueOption[] {
  const all = [...command.options, ...command.commands.flatMap(optionsBelow)];
  const byFlags = new Map(all.filter(takesValue).map((option) => [flagsOf(option).join(" "), option]));
  return [...byFlags.values()].map((option) => ({
    flags: flagsOf(option),
    words: option.argChoices ?? [],
    names: kindOfOption(option),
  }));
}

const optionsBelow = (command: Command): readonly Option[] => [
  ...command.options,
  ...command.commands.flatMap(optionsBelow),
];
const takesValue = ({ required, optional }: Option): boolean => required || optional;
const flagsOf = ({ short, long }: Option): readonly string[] => [short, long].flatMap((flag) => flag ?? []);

const ARGUMENTS: ReadonlyMap<string, NameKind> = new Map([
  ["node", "nodes"],
  ["deployment", "deployments"],
  ["model", "models"],
  ["model[:version]", "models"],
  ["pool", "pools"],
]);
const OPTIONS: ReadonlyMap<string, NameKind> = new Map([
  ["--node", "nodes"],
  ["--why-not", "nodes"],
  ["--context", "contexts"],
  ["--model", "models"],
]);

function kindOfArgument(argument: Argument, path: string): NameKind | undefined {
  return path.startsWith("context ") ? "contexts" : ARGUMENTS.get(argument.name());
}

const kindOfOption = ({ long }: Option): NameKind | undefined => OPTIONS.get(long ?? "");

const isShown = (command: Command, child: Command): boolean =>
  command.createHelp().visibleCommands(command).includes(child);

function topOf(command: Command): Command {
  return command.parent === null ? command : topOf(command.parent);
}
