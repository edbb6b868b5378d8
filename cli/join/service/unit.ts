import { usageFailure } from "../../failure.ts";

export const UNIT = "skerry-node";
export const UNIT_FILE = `/etc/systemd/system/${UNIT}.service`;
export const SETTINGS_FILE = "/etc/skerry/node.env";
export const KEYS_FILE = "/etc/skerry/local.keys";
export const SIGNING_KEYS_FILE = "/etc/skerry/signing.keys";
/** systemd keeps it in /var/lib/private, where the service's own user alone gets at it. */
export const STATE_FOLDER = "/var/lib/skerry";

/** Where the program of the service is. */
export interface Installation {
  /** The folder with `edge-node/` in it, and the Node that runs it. Both absolute, without links. */
  readonly root: string;
  readonly node: string;
  readonly nodeFlags: readonly string[];
}

/** Hidden from the service, whose home folders are empty: what it needs of them is shown to it. */
const HIDDEN = /^\/(home|root)\//;
/** Emptied when the machine starts, and of the service's own: nothing that stays can be there. */
const TEMPORARY = /^\/(tmp|var\/tmp|run|dev\/shm)\//;
/** Other characters mean something in a unit file. */
const PLAIN_PATH = /^[\w/.@+-]+$/;

/**
 * The unit file of this installation, made of `template`, which is that of an installation in /opt/skerry. Fails, saying
 * why, where no service can run from.
 */
export function renderUnit(template: string, { root, node, nodeFlags }: Installation): string {
  for (const place of [root, node]) {
    if (TEMPORARY.test(place))
      throw usageFailure(
        `${place} is gone when the machine starts again`,
        "install Skerry elsewhere, e.g. in /opt/skerry",
      );
    if (!PLAIN_PATH.test(place))
      throw usageFailure(
        `${place} cannot be named in a unit file: there are characters other than letters, digits and / . _ @ + -`,
        "install Skerry elsewhere, e.g. in /opt/skerry",
      );
  }
  const shown = [root, ...(node.startsWith(`${root}/`) ? [] : [node])].filter((place) => HIDDEN.test(place));
  return replaced(template, {
    WorkingDirectory: root,
    ExecStart: [node, ...nodeFlags, "edge-node/main.ts"].join(" "),
    ...(shown.length > 0 && { ProtectHome: `tmpfs\nBindReadOnlyPaths=${shown.join(" ")}` }),
  });
}

function replaced(template: string, values: Readonly<Record<string, string>>): string {
  return template
    .split("\n")
    .map((line) => {
      const name = line.slice(0, Math.max(0, line.indexOf("=")));
      return Object.hasOwn(values, name) ? `${name}=${values[name]}` : line;
    })
    .join("\n");
}

/** A file for `EnvironmentFile=`. */
export function renderSettings(settings: Readonly<Record<string, string>>): string {
  const lines = Object.entries(settings).map(([name, value]) => `${name}="${value.replaceAll(/["\\`$]/g, "\\$&")}"`);
  return `# Settings of the service ${UNIT}: docs/nodes.md. After a change: systemctl restart ${UNIT}\n${lines.join("\n")}\n`;
}
