import type { components, paths } from "./generated/schema.ts";

type Schemas = components["schemas"];
type Json<Response> = Response extends { content: { "application/json": infer Body } } ? Body : never;
/** What a GET of this path answers. */
type Answer<Path extends keyof paths> = paths[Path] extends { get: { responses: { 200: infer Ok } } }
  ? Json<Ok>
  : never;

export type Node = Schemas["Node"];
export type Model = Schemas["Model"];
export type ModelVersion = Schemas["ModelVersion"];
export type Placement = Schemas["Placement"];
export type Traffic = Schemas["Traffic"];
export type Deployment = Schemas["Deployment"];
export type Rollout = Schemas["Rollout"];
export type SkerryEvent = Schemas["Event"];
export type ApiKey = Schemas["ApiKey"];
export type Explanation = Answer<"/api/v1/deployments/{deployment}/explain">;
export type Plan = Schemas["Plan"];
export type Role = Schemas["ApiKey"]["role"];
export type Session = Answer<"/api/v1/session">;
