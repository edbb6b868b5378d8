import { join } from "node:path";
import { isId } from "../../../../shared/base/ids.ts";
import { demandId, demandSha256 } from "../names.ts";

const PART = ".part";

/** Where things lie: `uploads/<id>.part` and `files/<sha256>`. */
export class Layout {
  readonly uploads: string;
  readonly files: string;

  constructor(root: string) {
    this.uploads = join(root, "uploads");
    this.files = join(root, "files");
  }

  upload(id: string): string {
    return join(this.uploads, demandId(id) + PART);
  }

  file(sha256: string): string {
    return join(this.files, demandSha256(sha256));
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
