import type { KeptStream } from "../../shared/protocol/kept-streams.ts";

/** What is kept of streams on the disk, so that it survives the end of the program. */
export interface StreamStateFile {
  /** As it was written last; empty when there is none, or when it is damaged, which it logs. Rejects when the disk does. */
  read(): Promise<readonly KeptStream[]>;
  /** Takes the place of all that was written before. After a crash at any moment either is there as a whole. */
  write(streams: Iterable<KeptStream>): Promise<void>;
}
