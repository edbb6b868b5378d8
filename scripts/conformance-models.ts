import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { MODELS } from "../test/conformance/models.ts";

/** `npm run conformance:models -- FOLDER`: writes each model where Triton, MLServer and others look for it: NAME/1/model.onnx. */
const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error("Say where to write the models: npm run conformance:models -- FOLDER");
  process.exitCode = 64;
} else {
  for (const { name, meaning, file, isSkerrys } of MODELS) {
    if (isSkerrys) continue;
    const directory = path.join(folder, name, "1");
    mkdirSync(directory, { recursive: true });
    writeFileSync(path.join(directory, "model.onnx"), file);
    console.log(`${name.padEnd(13)} ${meaning}`);
  }
}
