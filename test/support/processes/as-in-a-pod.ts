import { spawnSync } from "node:child_process";

/**
 * `$1` is the Node of the image, `$2` the Node that the test runs on, then come its arguments. Every file system becomes
 * read-only but for the folder of the program's data, then root's rights are given up for good: as a container of the
 * restricted profile has it.
 */
const SCRIPT = `
set -e
data=\${SKERRY_STATE_DIR:-$(dirname "$SKERRY_DATA_DIR")}
chown 65532:65532 "$data"
while read -r _ place _; do mount -o remount,bind,ro "$place" 2>/dev/null || :; done < /proc/self/mounts
mount --bind "$data" "$data"
mount -o remount,bind,rw "$data"
node=$1
shift 2
exec setpriv --reuid 65532 --regid 65532 --clear-groups --no-new-privs --bounding-set -all --inh-caps -all "$node" "$@"
`;

/** Root of a container may be without the rights to mount. */
export const mayMount = (): boolean =>
  process.platform === "linux" && process.getuid?.() === 0 && spawnSync("unshare", ["--mount", "true"]).status === 0;

/**
 * What goes before a command so that it runs as an ordinary user with a read-only root; nothing where the test itself may
 * not make file systems read-only. `node`: a Node that everybody may read.
 */
export const asInAPod = (node: string): readonly string[] =>
  mayMount() ? ["unshare", "--mount", "--propagation", "private", "sh", "-c", SCRIPT, "as-in-a-pod", node] : [];
