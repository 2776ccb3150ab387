import { svelte } from "@sveltejs/vite-plugin-svelte";
import { loadEnv } from "vite";
import { defineConfig } from "vitest/config";

const PROXIED = ["/api", "/healthz", "/privacy", "/fr/privacy", "/en/privacy", "/.well-known"];

export default defineConfig(({ mode }) => {
  // Where `npm run dev` finds a running server, for instance that of `./dev demo --port 8000`.
  const server = loadEnv(mode, ".", "INCAMERA_")["INCAMERA_SERVER"] ?? "http://localhost:8000";
  return {
    plugins: [svelte()],
    build: {
      target: "es2022",
      modulePreload: { polyfill: false },
      assetsInlineLimit: 0, // a data: URL in a style sheet would need another door in the content security policy
      chunkSizeWarningLimit: 250,
      rolldownOptions: {
        output: {
          // The player is measured apart (scripts/print-sizes.mjs) and stays cached when only the screens change.
          // What several pages share is one file instead of a dozen small ones.
          codeSplitting: {
            groups: [
              { name: "player", test: /\/src\/lib\/player\// },
              { name: "base", test: /\/node_modules\/|\/src\/lib\/(?!.*\.json)/, minShareCount: 2 },
            ],
          },
        },
      },
    },
    server: {
      proxy: {
        ...Object.fromEntries(PROXIED.map((path) => [path, { target: server, changeOrigin: false }])),
        "/media": { target: server, ws: true },
      },
    },
    test: { include: ["src/**/*.test.ts"], environment: "node", css: true },
  };
});
