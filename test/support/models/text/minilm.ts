import { homedir } from "node:os";
import path from "node:path";

/** Where `examples/embed/start.sh`, given the folder above it, puts all-MiniLM-L6-v2 with 8-bit weights (23 MB, Apache-2.0). */
export const MINILM_FOLDER = path.join(homedir(), ".cache/skerry/minilm-1.0.0/minilm");
