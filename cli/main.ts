#!/usr/bin/env node
/** The same program under the name that services and scripts of before start; `main.mjs` starts quicker. */
await import(new URL("main.mjs", import.meta.url).href);
