import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [react()],
  build: {
    target: 'es2022',
    // What `pack.mjs` weighs the first join by.
    manifest: true,
    // The client library alone is past the default warning; the page is one view, so nothing is gained by splitting it.
    chunkSizeWarningLimit: 1200,
  },
  // `npm run dev` keeps asking the page server for tokens.
  server: { port: 5173, proxy: { '/api': 'http://127.0.0.1:3000' } },
  test: { include: ['src/**/*.test.ts', '*.test.mjs'], environment: 'node' },
});
