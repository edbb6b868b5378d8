import { statfs } from "node:fs/promises";
import { availableParallelism, cpus, freemem, totalmem } from "node:os";
import { type Capabilities, MAX_SIGNING_KEYS } from "../../../shared/protocol/messages/capabilities.ts";
import { keyIdOf } from "../../../shared/protocol/model-files/release.ts";
import type { SystemProbe } from "../../ports/machine.ts";
import { installedRuntime } from "./runtime.ts";

const MIB = 1_048_576;

interface CpuTimes {
  readonly busy: number;
  readonly total: number;
}

/** Where the node's own `/v2` answers, as others see it, when they can. */
interface LocalAddress {
  readonly url: string | undefined;
  readonly asksForKey: boolean;
}

/** What else the node has. */
interface Beside {
  /** Engines and their models, as of now; undefined without any. */
  engines(): Capabilities["engines"];
  /** The keys whose releases alone it takes; undefined: it takes unsigned versions. */
  readonly signingKeys?: ReadonlySet<string> | undefined;
}

/** What this machine, or the container it gave us, can do and how busy it is. */
export class MachineProbe implements SystemProbe {
  readonly #stateDir: string;
  readonly #local: LocalAddress;
  readonly #beside: Beside;
  #last: CpuTimes = cpuTimes();

  constructor(stateDir: string, local: LocalAddress, beside: Beside = { engines: () => undefined }) {
    this.#stateDir = stateDir;
    this.#local = local;
    this.#beside = beside;
  }

  async capabilities(): Promise<Capabilities> {
    const { blocks, bsize } = await statfs(this.#stateDir);
    const engines = this.#beside.engines();
    const { signingKeys } = this.#beside;
    return {
      arch: process.arch,
      os: process.platform,
      cpus: availableParallelism(),
      memMiB: Math.floor(memoryLimit() / MIB),
      diskMiB: Math.floor((blocks * bsize) / MIB),
      ...(await installedRuntime()),
      providers: ["cpu"],
      optionalInputs: true,
      ...(engines !== undefined && { engines }),
      ...(signingKeys !== undefined &&
        signingKeys.size <= MAX_SIGNING_KEYS && { signingKeys: [...signingKeys].map(keyIdOf) }),
      ...(this.#local.url !== undefined && { localUrl: this.#local.url, localKeys: this.#local.asksForKey }),
    };
  }

  cpuPct(): number {
    const now = cpuTimes();
    const total = now.total - this.#last.total;
    const busy = now.busy - this.#last.busy;
    this.#last = now;
    return total > 0 ? (100 * busy) / total : 0;
  }

  memFreeMiB(): number {
    return Math.floor(Math.min(freemem(), process.availableMemory()) / MIB);
  }
}

/** The container's limit, when there is one. */
function memoryLimit(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

function cpuTimes(): CpuTimes {
  let busy = 0;
  let total = 0;
  for (const { times } of cpus()) {
    const all = times.user + times.nice + times.sys + times.idle + times.irq;
    total += all;
    busy += all - times.idle;
  }
  return { busy, total };
}
