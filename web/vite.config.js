import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

// `npm run dev` shows live code over a console that runs elsewhere: FLYBALL_CONSOLE=http://127.0.0.1:8765
const api = process.env.FLYBALL_CONSOLE ?? "http://127.0.0.1:8765";

export default defineConfig({
  base: "./", // the page works below any prefix
  plugins: [svelte()],
  server: { proxy: { "/api": api } },
  build: {
    outDir: process.env.FLYBALL_WEB_OUT ?? "dist",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the content security policy knows no data: addresses
    modulePreload: { polyfill: false },
    license: { fileName: "licenses.md" }, // the notices of the code that is bundled
    reportCompressedSize: false,
  },
});
