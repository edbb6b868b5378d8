import path from "node:path";
import { MODEL_FILE } from "../../../shared/protocol/model-files/bundle.ts";
import type { SharedHostProcess, SharedHostProcesses } from "../../ports/shared-hosts.ts";
import { launchOf } from "./launch.ts";
import { emptyFolder, launchParts, letHostsRead, type ModelHostsOptions } from "./model-hosts.ts";
import { SharedProcess } from "./shared-process.ts";
import { openStatusFile } from "./status-file.ts";

const ENTRY = path.join(import.meta.dirname, "../../model-host/shared-main.ts");

type Options = Pick<ModelHostsOptions, "workDirectory" | "mainFile" | "confinement">;

/** Starts processes that hold several models, in the same confines as those of one model. */
export class SharedProcesses implements SharedHostProcesses {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  async open(memMiB: number): Promise<SharedHostProcess> {
    const { workDirectory, mainFile } = this.#options;
    const cwd = await emptyFolder(workDirectory);
    const launch = launchOf({ ...launchParts(this.#options), entry: ENTRY, task: "{}", memMiB, mappedMiB: 0 });
    return new SharedProcess(launch, {
      cwd,
      memMiB,
      platform: process.platform,
      fileOf: async (directory) => {
        await letHostsRead(directory, this.#options);
        return path.resolve(directory, (await mainFile?.(directory)) ?? MODEL_FILE);
      },
      statusFile: openStatusFile(workDirectory),
    });
  }
}
