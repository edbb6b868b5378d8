import { join } from "node:path";
import { isId } from "../../../shared/base/ids.ts";

const PART = ".part";
const SHA256 = /^[0-9a-f]{64}$/;

/**
 * Where things lie: `uploads/<id>.part` and `files/<sha256>`. Names are checked here and nowhere else becomes text a path;
 * one that is none is a fault of ours, because ids and digests were decoded before.
 */
export class Layout {
  readonly uploads: string;
  readonly files: string;

  constructor(root: string) {
    this.uploads = join(root, "uploads");
    this.files = join(root, "files");
  }

  upload(id: string): string {
    if (!isId(id)) throw new TypeError("an upload's id has characters that no id has");
    return join(this.uploads, id + PART);
  }

  file(sha256: string): string {
    if (!SHA256.test(sha256)) throw new TypeError("a digest is not 64 lower-case hex digits");
    return join(this.files, sha256);
  }

  /** A name that becomes `file(sha256)` by a rename. One upload uses it at a time. */
  staged(sha256: string, uploadId: string): string {
    this.upload(uploadId);
    return `${this.file(sha256)}.${uploadId}`;
  }

  /** Whether an entry of `files` is a `staged` name. */
  static isStaged(entry: string): boolean {
    return /^[0-9a-f]{64}\../.test(entry);
  }

  /** The id in the name of an entry of `uploads`; undefined for what is not ours. */
  static uploadId(entry: string): string | undefined {
    const id = entry.endsWith(PART) ? entry.slice(0, -PART.length) : "";
    return isId(id) ? id : undefined;
  }
}
