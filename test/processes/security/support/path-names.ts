import type { AttackedControlPlane } from "./attacked-control-plane.ts";

/** As they travel, and as a name that is read out of them. */
const EVIL = ["..%2F..%2Fetc%2Fpasswd", "..", "%2E%2E", "a%2Fb", "a%5Cb", "a%00b", "%0A"];
const EVIL_TEXTS = ["../../etc/passwd", "..", "a/b", "a\\b", "a\u0000b", "a\nb"];
/** For people: nothing takes it for a name. */
const FREE_TEXTS = new Set(["why", "note"]);
const READS = ["get", "head", "delete"] as const;

interface Operation {
  readonly requestBody?: unknown;
}
interface Schema {
  readonly type?: unknown;
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly [key: string]: unknown;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Partial<Record<string, Operation>>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

/** Asks every operation that has a name in its path with path characters in each of them. */
export async function pathNames(at: AttackedControlPlane): Promise<{ readonly asked: number; readonly odd: string[] }> {
  const { paths } = (await at.ask("GET", "/openapi.json")).body as Document;
  const odd: string[] = [];
  let asked = 0;
  const ask = async (method: string, route: string): Promise<void> => {
    const { status } = await at.ask(method.toUpperCase(), route);
    asked += 1;
    // With `..` and no more in its last place a path is another one, which there may be.
    if (status !== 400 && status !== 404 && status !== 405) odd.push(`${status} ${method} ${route}`);
  };
  for (const [path, operations] of Object.entries(paths))
    for (const name of path.match(/\{\w+\}/g) ?? [])
      for (const method of READS.filter((each) => operations[each])) {
        const routes = EVIL.map((evil) => path.replace(name, evil).replaceAll(/\{\w+\}/g, "x"));
        await Promise.all(routes.map((route) => ask(method, route)));
      }
  return { asked, odd };
}

/** Every name that a body may hold: each has a pattern, and none lets a path through. */
export async function bodyNames(
  at: AttackedControlPlane,
): Promise<{ readonly checked: number; readonly odd: string[] }> {
  const document: unknown = (await at.ask("GET", "/openapi.json")).body;
  const { paths, components } = document as Document;
  const odd: string[] = [];
  const followed = new Set<string>();
  let checked = 0;
  const visit = (schema: unknown, where: string): void => {
    if (typeof schema !== "object" || schema === null) return;
    for (const [key, value] of Object.entries(schema)) {
      if (key === "$ref" && typeof value === "string" && !followed.has(value)) {
        followed.add(value);
        const name = value.split("/").at(-1) ?? "";
        visit(components.schemas[name], name);
      }
      if (key === "properties")
        for (const [name, property] of Object.entries(value as Readonly<Record<string, Schema>>)) {
          const { pattern } = property;
          if (typeof pattern === "string" && !FREE_TEXTS.has(name)) {
            checked += 1;
            const regexp = new RegExp(pattern, "u");
            odd.push(
              ...EVIL_TEXTS.filter((text) => regexp.test(text)).map(
                (text) => `${where}.${name} ${JSON.stringify(text)}`,
              ),
            );
          }
        }
      visit(value, key === "properties" ? where : `${where}.${key}`);
    }
  };
  // Names of functions in requests for text are for the model alone.
  const own = Object.entries(paths).filter(([path]) => !path.startsWith("/v1/"));
  for (const [path, operations] of own)
    for (const [method, operation] of Object.entries(operations))
      if (operation?.requestBody !== undefined) visit(operation.requestBody, `${method} ${path}`);
  return { checked, odd };
}
