// Tests run in the edge runtime, the nearest thing to where Convex runs functions: no Node built-ins, WebCrypto only.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "edge-runtime",
    include: ["**/*.test.ts"],
    exclude: ["node_modules/**"],
    server: { deps: { inline: ["convex-test"] } },
    testTimeout: 60_000,
  },
});
