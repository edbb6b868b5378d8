import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

let api: OpenHttpApi;
let document: any; // eslint-disable-line typescript/no-explicit-any -- a foreign format, taken apart below
beforeAll(async () => {
  api = await openHttpApi();
  document = (await api.call("GET", "/openapi.json")).body;
});
afterAll(() => api.close());

describe("the OpenAPI document", () => {
  it("is of version 3.1", () => {
    expect(document.openapi).toBe("3.1.0");
    expect(document.info).toMatchObject({ title: "Skerry", version: "0.1.0" });
  });

  it("contains exactly the routes that are registered", () => {
    const documented = Object.entries<object>(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(documented.toSorted()).toEqual(api.api.routes.map(({ method, path }) => `${method} ${path}`).toSorted());
  });

  it("declares every parameter of every path", () => {
    for (const [path, item] of Object.entries<Record<string, { parameters?: { name: string; in: string }[] }>>(
      document.paths,
    )) {
      for (const [method, operation] of Object.entries(item)) {
        const declared = (operation.parameters ?? []).flatMap((parameter) =>
          parameter.in === "path" ? [parameter.name] : [],
        );
        const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
        expect({ operation: `${method} ${path}`, declared: new Set(declared) }).toEqual({
          operation: `${method} ${path}`,
          declared: new Set(inPath),
        });
      }
    }
  });

  it("has no pattern that only some dialects of regular expressions know", () => {
    const patterns: string[] = [];
    JSON.stringify(document, (key, value: unknown) => {
      if (key === "pattern" && typeof value === "string") patterns.push(value);
      return value;
    });
    expect(patterns.length).toBeGreaterThan(10);
    expect(patterns.filter((each) => /\\p\{/i.test(each))).toEqual([]);
  });

  it("lets an inference answer with parameters, as one with an explanation does", () => {
    expect(Object.keys(document.components.schemas.InferResponse.properties)).toContain("parameters");
  });

  it("calls no answer bytes that is JSON", () => {
    const answers = [...JSON.stringify(document).matchAll(/"application\/json":\{"schema":\{[^{}]*"format":"binary"/g)];
    expect(answers).toEqual([]);
  });

  it("resolves every reference, and names every operation once", () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(
      ([, name]) => name,
    );
    expect(references.length).toBeGreaterThan(10);
    for (const name of references) expect(Object.keys(document.components.schemas)).toContain(name);
    const ids = [...JSON.stringify(document).matchAll(/"operationId":"([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("gives every operation a success, an error and its security", () => {
    for (const item of Object.values<Record<string, { responses: object; security: unknown[] }>>(document.paths)) {
      for (const { responses, security } of Object.values(item)) {
        expect(Object.keys(responses)).toContain("default");
        expect(Object.keys(responses).length).toBeGreaterThan(1);
        expect(Array.isArray(security)).toBe(true);
      }
    }
  });

  it.each(["/api/v1/models", "/v2/models", "/v1/models"])("says how %s reports an error", async (path) => {
    const { status, headers, body } = await api.call("GET", path);
    const { content } = document.paths[path].get.responses.default;
    const [type = ""] = String(headers["content-type"]).split(";");
    expect({ status, types: Object.keys(content) }).toEqual({ status: 401, types: [type] });
    const [, name = ""] = /schemas\/(\w+)$/.exec(content[type].schema.$ref) ?? [];
    expect(Object.keys(body)).toEqual(expect.arrayContaining(document.components.schemas[name].required));
  });

  it("is shown as a page that loads nothing from elsewhere", async () => {
    const { headers, bytes } = await api.call("GET", "/docs/api");
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(headers["content-security-policy"]).toContain("default-src 'none'");
    for (const { path } of api.api.routes) expect(bytes.toString()).toContain(`<code>${path}</code>`);
    expect(bytes.toString()).not.toMatch(/https?:\/\/(?!json-schema)/);
  });

  it("writes only keywords of JSON Schema 2020-12", () => {
    const text = JSON.stringify(document);
    expect(text).not.toContain('"nullable"');
    expect(text).not.toContain('"exclusiveMinimum":true');
  });
});
