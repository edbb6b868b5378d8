import path from "node:path";

/** How to start one model host: the limits that the operating system sets before the first line of JavaScript runs. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface LaunchParts {
  /** The running Node binary and the host's entry file. */
  readonly execPath: string;
  readonly entry: string;
  /** The host's only argument. */
  readonly task: string;
  readonly memMiB: number;
  /** Of files that the host maps into its address space beside its memory. */
  readonly mappedMiB: number;
  readonly arch: string;
  /** A POSIX shell, or undefined where there is none (a distroless image): then there is no cap and no guard. */
  readonly shell: string | undefined;
  /** Words before the command; see `confinement.ts`. */
  readonly prefix: readonly string[];
  /** Process 1 of a container needs no guard: the kernel ends all others with it. */
  readonly guarded: boolean;
  /** Where Node may keep compiled sources; without it each host strips its types anew (+12 MiB, +45 ms). */
  readonly compileCache: string | undefined;
}

/**
 * Address space of a host before its model: measured 1,100–1,250 MiB of reservations on x64, and 128 MiB for the
 * WebAssembly that strips types when the compile cache is cold. Under 1,090 MiB Node does not start. arm64 reserves
 * alike. Elsewhere nothing was measured, so only the watch over resident memory holds the limit.
 */
const BASE_ADDRESS_SPACE_MIB: Readonly<Record<string, number>> = { x64: 1_536, arm64: 1_536 };

const NODE_FLAGS = [
  // No helper threads: a host computes on one thread, and each helper reserves address space.
  "--v8-pool-size=1",
  // Without these two, stripping types reserves 8 GiB of address space for WebAssembly.
  "--disable-wasm-trap-handler",
  "--wasm-max-mem-pages=2048",
  // Requests make short-lived garbage; a young generation of 16 MiB would only fill memory.
  "--max-semi-space-size=2",
];

/**
 * `$1` KiB of address space (0: no cap; soft, since it is set anew when the model is loaded and when its limit is raised), `$2` whether to leave a guard behind, then the command.
 * - No core files: they would hold inputs and fill the disk. No file over 64 MiB (compiled sources are smaller), and at most
 *   1,024 open ones.
 * - When the machine runs out of memory, a host goes before the agent.
 * - The guard ends the host when the agent dies, even while the model hangs and cannot notice. It waits on the
 *   lifeline (fd 4), of which only the agent holds the other end: a line means that the host is gone already, the end
 *   of the stream that the agent is. Measured: 0.1 MiB and 1 ms; a watching thread inside the host costs 10 MiB.
 */
const SCRIPT = `
ulimit -c 0
ulimit -f 131072
ulimit -n 1024 2>/dev/null
if [ "$1" != 0 ]; then ulimit -S -v "$1"; fi
{ echo 1000 > /proc/self/oom_score_adj; } 2>/dev/null
if [ "$2" = guard ]; then ( read -r _ <&4 || kill -9 $$ ) 3>&- >/dev/null 2>&1 & fi
shift 2
exec "$@" 4<&-
`;

export function launchOf(parts: LaunchParts): Launch {
  const { execPath, entry, task, shell } = parts;
  const node = [execPath, ...NODE_FLAGS, entry, task];
  const env = environment(parts.compileCache);
  if (shell === undefined) return { command: execPath, args: node.slice(1), env };
  const guard = parts.guarded ? "guard" : "alone";
  return {
    command: shell,
    args: ["-c", SCRIPT, "skerry-model-host", String(addressSpaceKiB(parts)), guard, ...parts.prefix, ...node],
    env,
  };
}

function addressSpaceKiB({ memMiB, mappedMiB, arch }: LaunchParts): number {
  const base = Object.hasOwn(BASE_ADDRESS_SPACE_MIB, arch) ? BASE_ADDRESS_SPACE_MIB[arch] : undefined;
  return base === undefined || memMiB === 0 ? 0 : (memMiB + Math.ceil(mappedMiB) + base) * 1_024;
}

/** All that a host sees of the environment: no secrets, no proxies, no NODE_OPTIONS. */
function environment(compileCache: string | undefined): Record<string, string> {
  return {
    // A loaded 10 MiB model took 10.25 instead of 18.8 MiB with these thresholds.
    MALLOC_MMAP_THRESHOLD_: "131072",
    MALLOC_TRIM_THRESHOLD_: "131072",
    // One thread computes; further arenas would reserve 64 MiB each.
    MALLOC_ARENA_MAX: "1",
    UV_THREADPOOL_SIZE: "1",
    NODE_NO_WARNINGS: "1",
    // A host has no home. Without a word about it node-llama-cpp asks the system, which knows none of a pod's user.
    HOME: "/nonexistent",
    ...(compileCache === undefined ? {} : { NODE_COMPILE_CACHE: path.resolve(compileCache) }),
  };
}
