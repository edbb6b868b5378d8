import { z } from "zod";
import { ENGINE_APIS, MAX_ENGINE_MODEL_CHARACTERS } from "../../text/engine-model.ts";
import { count, words } from "./envelope.ts";

/** Engines beside a node, and models of all of them together: `hello` has to fit into one message. */
export const MAX_ENGINES = 8;
export const MAX_ENGINE_MODELS = 64;

/** Keys that a node names; one with more names none. */
export const MAX_SIGNING_KEYS = 64;

/** What a node can do: sent in `hello`, shown by `skerry nodes get`, read by the filters. */
export const capabilities = z.object({
  arch: words(32),
  os: words(32),
  cpus: z.number().int().min(1),
  memMiB: count,
  diskMiB: count,
  runtime: words(64),
  /** What it can execute, as in a bundle. Absent in agents that know only `onnx`. */
  runtimes: z.array(words(32)).max(16).optional(),
  maxOpset: count,
  maxIrVersion: count,
  providers: z.array(words(32)).max(16),
  /** Whether it gives default values to inputs that a request leaves out; absent from older agents. */
  optionalInputs: z.boolean().optional(),
  /** Where its local `/v2` answers, when it has one. */
  localUrl: words(256).optional(),
  /** Whether that address asks callers for a key of the node's own. */
  localKeys: z.boolean().optional(),
  /** Short names of the keys whose releases alone it takes; absent when it takes unsigned versions, and from older agents. */
  signingKeys: z.array(words(32)).max(MAX_SIGNING_KEYS).optional(),
  /** Engines beside it, and the models that each listed when it last answered. Absent from older agents. */
  engines: z
    .array(
      z.object({
        api: z.enum(ENGINE_APIS),
        models: z.array(words(MAX_ENGINE_MODEL_CHARACTERS)).max(MAX_ENGINE_MODELS),
      }),
    )
    .max(MAX_ENGINES)
    .optional(),
});
export type Capabilities = z.infer<typeof capabilities>;
