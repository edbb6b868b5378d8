import { describe, expect, it } from "@jest/globals";
import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { deploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";

const page = readFileSync(path.join(import.meta.dirname, "../../../docs/deployments.md"), "utf8");
/** The first section has the table of fields. */
const fields = page.split("\n## ", 1)[0] ?? "";

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

/** The dotted names of all fields that hold a value. */
function fieldsOf({ properties, items }: Schema, name = ""): readonly string[] {
  if (items?.properties) return [name, ...fieldsOf(items, name)];
  if (!properties) return [name];
  return Object.entries(properties).flatMap(([key, schema]) => fieldsOf(schema, name === "" ? key : `${name}.${key}`));
}

describe("docs/deployments.md", () => {
  it("has a row for every field of a deployment spec", () => {
    const rows = [...fields.matchAll(/^\| `([\w.]+)` /gm)].map(([, name]) => name);
    // A schema with an id becomes a reference; its shape in an object of its own does not.
    const schema: Schema = z.toJSONSchema(z.object(deploymentSpec.shape), { io: "input" }) as Schema;
    expect(rows).toEqual(fieldsOf(schema));
  });
});
