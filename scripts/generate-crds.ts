import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { CUSTOM_RESOURCES, definitionOf } from "./crds/custom-resources.ts";

const FOLDER = join(import.meta.dirname, "../deploy/crds");
const HEAD = "# Made by `npm run crds` from the schemas of the API (shared/api/v1alpha1); a test compares the two.\n";

for (const of of CUSTOM_RESOURCES)
  await writeFile(
    join(FOLDER, `${of.plural}.yaml`),
    HEAD + stringify(definitionOf(of), { lineWidth: 120, aliasDuplicateObjects: false }),
  );
