import type { HostExit, HostRequest, HostResponse } from "./model-hosts.ts";
import type { InputDefault } from "../../shared/protocol/model-files/manifest.ts";

/** What a shared host loads: a model whose trials were made in a process of its own. */
export interface SharedModel {
  readonly model: string;
  readonly version: string;
  readonly directory: string;
  readonly defaults: readonly InputDefault[];
  /** Path, in the folder, of a file with the inputs of its warm run; undefined: made-up ones. */
  readonly samples: string | undefined;
  /** Why its requests may not share runs; undefined: they may. */
  readonly noBatchReason: string | undefined;
  /** A shared run gave another answer than the request alone: from then on they share none. */
  readonly onSharingStopped: (reason: string) => void;
  /** A batch of it kept the other models waiting for so much CPU time. */
  readonly onSlowBatch: (cpuMs: number) => void;
}

export interface SharedHostExit extends HostExit {
  /** The slot of the model that ended it; undefined: none did, as far as is known. */
  readonly endedBy: number | undefined;
}

/** One process that holds several models, each in a slot. Its starter owns it and must `stop` it. */
export interface SharedHostProcess {
  /** Loads the model into a slot from 1 to 255 that is free. Resolves to how long that took, in ms; throws `HostFailure`. */
  load(slot: number, model: SharedModel): Promise<number>;
  /** Takes the model out, behind the requests that it was asked. Resolves when it is out, or the process is gone. */
  unload(slot: number): Promise<void>;
  /** Answers; rejects with `HostFailure` when the process ends first. The time limit is that of the whole process. */
  ask(slot: number, request: HostRequest): Promise<HostResponse>;
  /** Holds the process to so much memory from now on, in MiB. */
  holdTo(memMiB: number): Promise<void>;
  /** What it holds and may hold, in MiB. */
  memory(): { readonly limitMiB: number; readonly privateMiB: number; readonly residentMiB: number };
  /** Lets what it was asked end for at most `graceMs`, then kills. Resolves when the process is gone. */
  stop(graceMs: number): Promise<void>;
  /** Resolves once, when the process has ended, asked or not. */
  readonly exited: Promise<SharedHostExit>;
}

export interface SharedHostProcesses {
  /** Starts a process without a model, held to `memMiB`. */
  open(memMiB: number): Promise<SharedHostProcess>;
}
