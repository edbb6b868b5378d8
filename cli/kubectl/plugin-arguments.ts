import { usageFailure } from "../failure.ts";

/** What `kubectl skerry` is told beside the words of `skerry`. */
export interface PluginArguments {
  readonly namespace: string;
  /** Of the kubeconfig; undefined: its current one. */
  readonly kubeContext: string | undefined;
  readonly rest: readonly string[];
  /** Another server is named: nothing has to be forwarded. */
  readonly namesServer: boolean;
  /** An authority is given to verify it by, so the control plane serves TLS itself. */
  readonly hasTls: boolean;
}

const NAMESPACE = "skerry";

/** Takes `-n`, `--namespace` and `--kube-context` in front of the command out of the arguments. */
export function parsePluginArguments(args: readonly string[], env: NodeJS.ProcessEnv): PluginArguments {
  const own = new Map<string, string>();
  let at = 0;
  for (; at < args.length; at += 1) {
    const [flag = "", joined] = (args[at] ?? "").split(/=(.*)/s);
    const name = flag === "-n" ? "--namespace" : flag;
    if (name !== "--namespace" && name !== "--kube-context") break;
    if (joined === undefined) at += 1;
    const value = joined ?? args[at];
    if (value === undefined) throw usageFailure(`${flag} needs a value`);
    own.set(name, value);
  }
  const rest = args.slice(at);
  return {
    namespace: own.get("--namespace") ?? NAMESPACE,
    kubeContext: own.get("--kube-context"),
    rest,
    hasTls: (env["SKERRY_CA_FILE"] ?? "") !== "" || rest.some((arg) => /^--(?:ca|pin)(?:=|$)/.test(arg)),
    namesServer: (env["SKERRY_SERVER"] ?? "") !== "" || rest.some((arg) => /^--(?:server|context)(?:=|$)/.test(arg)),
  };
}
