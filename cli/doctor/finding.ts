/** One thing that was looked at. */
export interface Finding {
  /** Where: this tool, the control plane, or a node on this machine. */
  readonly about: "client" | "server" | "edge";
  readonly level: "good" | "warning" | "bad";
  /** What was looked at, in a few words. */
  readonly what: string;
  /** How it is. */
  readonly how: string;
  /** What to do; undefined when it is well. */
  readonly fix?: string | undefined;
}

export const good = (about: Finding["about"], what: string, how: string): Finding => ({
  about,
  level: "good",
  what,
  how,
});
