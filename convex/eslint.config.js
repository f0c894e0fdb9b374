// Lints for Convex functions: the Convex plugin's rules, and promises that nobody forgets.
import convex from "@convex-dev/eslint-plugin";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["node_modules/**", "_generated/**", "scripts/**", "*.config.js", "*.config.ts"] },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.recommended],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { "@convex-dev": convex },
    rules: {
      ...convex.configs.recommended[0].rules,
      "@convex-dev/import-wrong-runtime": "error",
      "@convex-dev/no-filter-in-query": "error",
      "@convex-dev/no-collect-in-query": "error",
      "@convex-dev/no-top-of-hour-crons": "error",
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", ignoreRestSiblings: true }],
    },
  },
  {
    files: ["**/*.test.ts", "testing/**"],
    // A test reads all it wrote; the tables of a test are small.
    rules: { "@convex-dev/no-collect-in-query": "off", "@convex-dev/no-process-env": "off" },
  },
);
