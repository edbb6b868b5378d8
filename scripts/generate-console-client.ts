import { mkdir, writeFile } from "node:fs/promises";
import { registerHooks } from "node:module";
import { dirname, join } from "node:path";
import { openHttpApi } from "../test/integration/http/support/open-http-api.ts";

/**
 * Writes the types of the console's API client from the document that a control plane answers at `/openapi.json`. They are
 * not kept in the repository: what is made anew cannot differ from the API.
 */
const FILE = join(import.meta.dirname, "../console/src/api/generated/schema.ts");

// openapi-typescript prints with the JavaScript API of TypeScript 5, which TypeScript 7 has not.
registerHooks({
  resolve: (specifier, context, next) => next(specifier === "typescript" ? "typescript-js-api" : specifier, context),
});

const api = await openHttpApi();
const { body } = await api.call("GET", "/openapi.json");
await api.close();
const { default: toTypes, astToString } = await import("openapi-typescript");
await mkdir(dirname(FILE), { recursive: true });
await writeFile(FILE, `// Made by \`npm run console:client\`.\n${astToString(await toTypes(body))}`);
