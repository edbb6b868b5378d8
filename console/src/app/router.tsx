import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { isVerdict, type Verdict } from "../core/deployments/explain-rows.ts";
import { RouteFailure } from "../ui/query-state.tsx";
import { Loading } from "../ui/states.tsx";
import { NoSuchPage } from "./no-such-page.tsx";
import { Shell } from "./shell.tsx";

const root = createRootRoute({ component: Shell, notFoundComponent: NoSuchPage, errorComponent: RouteFailure });
const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

const whole = (value: unknown): number | undefined => (Number.isSafeInteger(value) ? Number(value) : undefined);

/** What narrows a list is part of the address, so that a view can be shared. */
const filter = (search: Record<string, unknown>): { readonly q?: string } => {
  const q = text(search["q"]);
  return q === undefined ? {} : { q };
};

/** Each page is a file of its own, loaded when it is first opened or pointed at. */
const routes = [
  createRoute({
    getParentRoute: () => root,
    path: "/",
    component: lazyRouteComponent(() => import("../pages/home/home-page.tsx"), "HomePage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/nodes",
    validateSearch: filter,
    component: lazyRouteComponent(() => import("../pages/nodes/nodes-page.tsx"), "NodesPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/nodes/$node",
    component: lazyRouteComponent(() => import("../pages/nodes/node-page.tsx"), "NodePage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/topology",
    validateSearch: (search: Record<string, unknown>): { readonly deployment?: string } => {
      const deployment = text(search["deployment"]);
      return deployment === undefined ? {} : { deployment };
    },
    component: lazyRouteComponent(() => import("../pages/topology/topology-page.tsx"), "TopologyPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/deployments",
    validateSearch: filter,
    component: lazyRouteComponent(() => import("../pages/deployments/deployments-page.tsx"), "DeploymentsPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/deployments/$deployment",
    component: lazyRouteComponent(() => import("../pages/deployments/deployment-page.tsx"), "DeploymentPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/explain",
    component: lazyRouteComponent(() => import("../pages/explain/explain-index.tsx"), "ExplainIndex"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/explain/$deployment",
    validateSearch: (
      search: Record<string, unknown>,
    ): { readonly node?: string; readonly q?: string; readonly verdict?: Verdict; readonly all?: true } => {
      const { verdict, all } = search;
      const node = text(search["node"]);
      return {
        ...filter(search),
        ...(node !== undefined && { node }),
        ...(isVerdict(verdict) && { verdict }),
        ...(all === true && { all }),
      };
    },
    component: lazyRouteComponent(() => import("../pages/explain/explain-page.tsx"), "ExplainPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/models",
    validateSearch: filter,
    component: lazyRouteComponent(() => import("../pages/models/models-page.tsx"), "ModelsPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/models/$model",
    validateSearch: (search: Record<string, unknown>): { readonly version?: number; readonly against?: number } => {
      const [version, against] = [whole(search["version"]), whole(search["against"])];
      return { ...(version !== undefined && { version }), ...(against !== undefined && { against }) };
    },
    component: lazyRouteComponent(() => import("../pages/models/model-page.tsx"), "ModelPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/playground",
    validateSearch: (search: Record<string, unknown>): { readonly model?: string; readonly node?: string } => {
      const [model, node] = [text(search["model"]), text(search["node"])];
      return { ...(model !== undefined && { model }), ...(node !== undefined && { node }) };
    },
    component: lazyRouteComponent(() => import("../pages/playground/playground-page.tsx"), "PlaygroundPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/traffic",
    validateSearch: (search: Record<string, unknown>): { readonly q?: string; readonly view?: "nodes" | "pairs" } => {
      const { view } = search;
      return { ...filter(search), ...((view === "nodes" || view === "pairs") && { view }) };
    },
    component: lazyRouteComponent(() => import("../pages/traffic/traffic-page.tsx"), "TrafficPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/events",
    validateSearch: (
      search: Record<string, unknown>,
    ): { readonly q?: string; readonly object?: string; readonly view?: "audit" } => {
      const object = text(search["object"]);
      return {
        ...filter(search),
        ...(object !== undefined && { object }),
        ...(search["view"] === "audit" && { view: "audit" as const }),
      };
    },
    component: lazyRouteComponent(() => import("../pages/events/events-page.tsx"), "EventsPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/keys",
    component: lazyRouteComponent(() => import("../pages/keys/keys-page.tsx"), "KeysPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/api-reference",
    validateSearch: filter,
    component: lazyRouteComponent(() => import("../pages/api-reference/api-page.tsx"), "ApiPage"),
  }),
] as const;

export const router = createRouter({
  routeTree: root.addChildren(routes),
  defaultPreload: "intent",
  defaultPendingComponent: Loading,
  defaultErrorComponent: RouteFailure,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
