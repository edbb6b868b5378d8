/** The parts of an OpenAPI document that the reference page shows. */
export interface OpenApi {
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
}

interface OpenApiOperation {
  readonly operationId: string;
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly description?: string;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: unknown }>> };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema?: unknown }>> }>
  >;
}

export interface Operation extends OpenApiOperation {
  readonly method: string;
  readonly path: string;
  readonly tag: string;
}

/** Every operation of the document, in its order. */
export const operationsOf = ({ paths }: OpenApi): readonly Operation[] =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      method: method.toUpperCase(),
      path,
      tag: operation.tags?.[0] ?? "Other",
    })),
  );

/** A call of the operation for a shell, with names in capitals where something has to be filled in. */
export function curlOf({ method, path, requestBody }: Operation, origin: string): string {
  const url = `${origin}${path.replaceAll(/\{(\w+)\}/g, (_, name: string) => name.toUpperCase())}`;
  const body = requestBody?.content["application/json"] ? ` -H 'Content-Type: application/json' -d '{}'` : "";
  return `curl -s${method === "GET" ? "" : ` -X ${method}`} -H "Authorization: Bearer $SKERRY_API_KEY"${body} '${url}'`;
}
