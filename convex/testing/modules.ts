// The functions as convex-test wants them: every module of this folder but tests and tools.
export const modules = import.meta.glob([
  "../**/*.{ts,js}",
  "!../node_modules/**",
  "!../scripts/**",
  "!../testing/**",
  "!../**/*.test.ts",
  "!../**/*.config.*",
]);
