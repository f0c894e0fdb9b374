import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts'],
    environment: 'node',
    // Components are published for bundlers: Node alone does not find what they import.
    server: { deps: { inline: [/@convex-dev/] } },
    // Each file starts hosts of its own; one after another, they leave a core to whoever else works here.
    fileParallelism: false,
    testTimeout: 20_000,
  },
});
