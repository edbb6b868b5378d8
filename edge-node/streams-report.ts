import { messageOf } from "../shared/base/errors.ts";
import { examineStreamsFile } from "./adapters/streams/examine-streams-file.ts";

/** Prints what of a streams file could not be read, written or reached on this machine, as JSON: for `skerry doctor edge`, which starts it by its path. Its argument: the file. */
const [file = ""] = process.argv.slice(2);
const report = await examineStreamsFile(file).then(
  (entries) => ({ entries }),
  (error: unknown) => ({ entries: [], fault: messageOf(error) }),
);
process.stdout.write(`${JSON.stringify(report)}\n`);
