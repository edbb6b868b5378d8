import type { Command } from "commander";
import { bashScript } from "./bash.ts";
import { fishScript } from "./fish.ts";
import { placesOf, valueOptionsOf } from "./places.ts";

export type Shell = "bash" | "zsh" | "fish";

/** A script for the shell. Commands, options and choices are in it; for names of objects it runs `skerry complete`. */
export function completionScript(program: Command, shell: Shell): string {
  const [places, options] = [placesOf(program), valueOptionsOf(program)];
  switch (shell) {
    case "bash":
      return bashScript(places, options);
    case "zsh":
      return `(( $+functions[compdef] )) || { autoload -U compinit && compinit; }\nautoload -U +X bashcompinit && bashcompinit\n${bashScript(places, options)}`;
    case "fish":
      return fishScript(places, options);
  }
}
