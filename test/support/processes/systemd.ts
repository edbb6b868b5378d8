import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { mayMount } from "./as-in-a-pod.ts";
import { until } from "./skerry-process.ts";

const MANAGER = "/lib/systemd/systemd";
const run = promisify(execFile);

/**
 * `$1` is an empty folder. systemd becomes process 1 of namespaces of its own, over a copy of this machine's files that only
 * they see; processes and network are this machine's.
 */
const BOOT = `
set -e
mount -t tmpfs tmpfs "$1/own"
mkdir "$1/own/upper" "$1/own/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/own/upper,workdir=$1/own/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
echo 0123456789abcdef0123456789abcdef > etc/machine-id
exec env -i container=unshare PATH="$PATH" chroot . ${MANAGER} --system --unit=basic.target --show-status=false
`;
/** `$1` names a control group of its own in each hierarchy, as systemd wants it; then comes the command. */
const IN_OWN_GROUPS = `
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
  if [ -f "$hierarchy/cgroup.procs" ]; then mkdir "$hierarchy/$1"; echo $$ > "$hierarchy/$1/cgroup.procs"; fi
done
shift
exec "$@"
`;

export interface CommandResult {
  readonly code: number;
  readonly output: string;
}

/** A systemd that runs beside this machine, for services that really start. */
export class Systemd {
  /** Where this machine sees its files. */
  readonly root: string;
  readonly #pid: number;
  readonly #process: ChildProcess;
  readonly #directory: string;
  readonly #group: string;

  private constructor(parts: { pid: number; process: ChildProcess; directory: string; group: string }) {
    this.#pid = parts.pid;
    this.#process = parts.process;
    this.#directory = parts.directory;
    this.#group = parts.group;
    this.root = `/proc/${parts.pid}/root`;
  }

  /** Whether this user of this machine can: it takes root, systemd's programs, and a machine that runs none already. */
  static get isPossible(): boolean {
    return mayMount() && existsSync(MANAGER) && !existsSync("/run/systemd/system");
  }

  static async start(): Promise<Systemd> {
    const directory = await mkdtemp(path.join(tmpdir(), "skerry-systemd-"));
    for (const folder of ["own", "root"]) await mkdir(path.join(directory, folder));
    const group = path.basename(directory);
    const unshare = ["unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--propagation", "private"];
    const boot = [...unshare, "--kill-child", "sh", "-c", BOOT, "boot", directory];
    const child = spawn("sh", ["-c", IN_OWN_GROUPS, "groups", group, ...boot], { stdio: "ignore" });
    const pid = await until("systemd runs", async () => {
      const children = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").catch(() => "");
      const found = Number(children.trim());
      const command = found > 0 ? await readFile(`/proc/${found}/comm`, "utf8").catch(() => "") : "";
      return command.trim() === "systemd" && found;
    });
    const systemd = new Systemd({ pid, process: child, directory, group });
    const isUp = async (): Promise<boolean> =>
      /running|degraded/.test((await systemd.run("systemctl", "is-system-running")).output);
    await until("it has started", isUp, 60_000);
    return systemd;
  }

  /** Runs a command there as root, in `/`, with nothing on its standard input. */
  run(...command: readonly string[]): Promise<CommandResult> {
    return this.runWith("", ...command);
  }

  async runWith(input: string, ...command: readonly string[]): Promise<CommandResult> {
    const enter = [
      "--target",
      String(this.#pid),
      "--mount",
      "--pid",
      "--uts",
      "--ipc",
      `--root=${this.root}`,
      `--wd=${this.root}`,
    ];
    const child = spawn("nsenter", [...enter, ...command]);
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (bytes: Buffer) => (output += bytes.toString()));
    child.stdin.on("error", () => undefined); // a command that reads nothing may have ended
    child.stdin.end(input);
    const code = await new Promise<number>((resolve) => child.once("close", (status) => resolve(status ?? -1)));
    return { code, output };
  }

  /** Ends all that runs in it, and leaves nothing behind. */
  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGKILL");
    await gone;
    for (const hierarchy of ["/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"]) {
      const folder = path.join(hierarchy, this.#group);
      // The kernel empties a group a moment after its last process has ended.
      await until("its control groups are gone", async () => {
        if (existsSync(folder))
          await run("find", [folder, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"]).catch(() => undefined);
        return !existsSync(folder);
      });
    }
    await rm(this.#directory, { recursive: true, force: true });
  }
}
