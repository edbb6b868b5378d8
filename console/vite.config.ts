import { defineConfig } from "vite";

/** `npm run dev:console` serves the sources on a port of their own and asks this control plane. */
const CONTROL_PLANE = process.env["SKERRY_URL"] ?? "http://127.0.0.1:7070";
const API = ["/api", "/v1", "/v2", "/openapi.json", "/docs", "/metrics"];

export default defineConfig({
  root: import.meta.dirname,
  publicDir: false,
  build: {
    target: "es2023",
    emptyOutDir: true,
    // A data: URL would need a wider content security policy than 'self'.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { host: "127.0.0.1", proxy: Object.fromEntries(API.map((path) => [path, CONTROL_PLANE])) },
});
