import type { Command } from "commander";
import type { CommandRunner } from "./shell.ts";

type Register = (program: Command, shell: CommandRunner) => void;

/** Commands that one file of `commands/` has, with what each is for. Hidden ones have no description. */
export interface CommandFamily {
  readonly commands: Readonly<Record<string, string>>;
  readonly hidden?: readonly string[];
  readonly load: () => Promise<Register>;
}

/**
 * The top of the command line. `skerry --help` is answered from here, and a command from the one file that has it: all
 * files took three times as long. A test holds the descriptions equal to those of the files.
 */
export const COMMAND_GROUPS: readonly { readonly title: string; readonly families: readonly CommandFamily[] }[] = [
  {
    title: "On this machine:",
    families: [
      {
        commands: {
          dev: "run a whole Skerry on this machine: PostgreSQL, control plane, two edge nodes, one cloud node, a real model",
        },
        load: async () => (await import("./commands/machine/dev.ts")).registerDev,
      },
      {
        commands: { join: "make this machine a node and serve models until Ctrl-C, which drains it" },
        load: async () => (await import("./commands/machine/join.ts")).registerJoin,
      },
      {
        commands: {
          doctor:
            "look for faults and say what to do: of this tool, of its server, and of this machine as a node; exit code 1 when there are any",
        },
        load: async () => (await import("./commands/machine/join.ts")).registerDoctor,
      },
      {
        commands: { edge: "ask a node itself, also while the control plane is away" },
        load: async () => (await import("./commands/machine/edge.ts")).registerEdge,
      },
    ],
  },
  {
    title: "Models and where they serve:",
    families: [
      {
        commands: { models: "models, their versions and aliases" },
        load: async () => (await import("./commands/models/models.ts")).registerModels,
      },
      {
        commands: {
          apply: "declare deployments: what should serve, and where it may; and pools of cloud nodes",
          plan: "show what `apply` would place and move, and change nothing; exit code 3 when there are changes",
        },
        load: async () => (await import("./commands/models/specs.ts")).registerSpecs,
      },
      {
        commands: {
          deployments: "what is declared to serve, and its status",
          explain: "why a deployment's replicas are where they are; with --what-if where they would be",
        },
        load: async () => (await import("./commands/models/deployments.ts")).registerDeployments,
      },
      {
        commands: { rollout: "how a deployment goes from one version to another" },
        load: async () => (await import("./commands/models/rollouts.ts")).registerRollouts,
      },
      {
        commands: { cascade: "small models with a larger one behind them" },
        load: async () => (await import("./commands/models/cascades.ts")).registerCascades,
      },
      {
        commands: { infer: "ask a model and tell which node answered, why that one, and how long it took" },
        load: async () => (await import("./commands/models/infer.ts")).registerInfer,
      },
      {
        commands: {
          chat: "talk to a text model; without a message line by line, with what was said before, until Ctrl-D",
        },
        load: async () => (await import("./commands/models/chat.ts")).registerChat,
      },
      {
        commands: {
          top: "rate, errors and latency of deployments and nodes in the last minute; on a terminal until Ctrl-C",
          bench:
            "send load to a deployment: percentiles, goodput, and where it was served; exit code 2 when one failed",
        },
        load: async () => (await import("./commands/models/load.ts")).registerLoad,
      },
    ],
  },
  {
    title: "The fleet:",
    families: [
      {
        commands: {
          nodes: "what runs models: edge devices and cloud pods",
          logs: "what a node reported, with what the control plane saw of it: crashes, restarts, refusals, lost links",
          token: "join tokens: each lets one node join, or as many as it says",
        },
        load: async () => (await import("./commands/fleet/nodes.ts")).registerNodes,
      },
      {
        commands: { streams: "what nodes read, infer and emit, and what became of it" },
        load: async () => (await import("./commands/fleet/streams.ts")).registerStreams,
      },
      {
        commands: { pools: "Kubernetes Deployments of cloud nodes that are scaled with demand" },
        load: async () => (await import("./commands/fleet/pools.ts")).registerPools,
      },
      {
        commands: { events: "what happened in the fleet", audit: "who changed what (needs an admin key)" },
        load: async () => (await import("./commands/fleet/events.ts")).registerEvents,
      },
    ],
  },
  {
    title: "Access:",
    families: [
      {
        commands: {
          login: "remember a server and who you are there, by its identity provider or by an API key",
          logout: "end the session at the server, and forget its key or token",
          context: "which servers are known and which one is meant",
          whoami: "whose key this is and what it may do",
        },
        load: async () => (await import("./commands/access/contexts.ts")).registerContexts,
      },
      {
        commands: {
          "signing-keys": "keys that sign versions of models, for nodes that run no others",
          keys: "API keys and their roles (needs an admin key)",
          sessions: "who is logged in (needs an admin key)",
        },
        load: async () => (await import("./commands/access/keys.ts")).registerKeys,
      },
    ],
  },
  {
    title: "This tool:",
    families: [
      {
        commands: {
          completion:
            "print a script that completes commands, options and the names of nodes, models, deployments, pools and contexts",
          version: "the version of this tool and of the server",
        },
        hidden: ["complete", "docs"],
        load: async () => (await import("./commands/tools.ts")).registerTools,
      },
    ],
  },
];
