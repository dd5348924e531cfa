import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: {
    alias: { 'order-processor': fileURLToPath(new URL('src/index.ts', import.meta.url)) },
  },
  test: {
    include: ['test/**/*.test.ts'],
    // Soak runs for minutes and has its own script.
    exclude: ['test/soak/**'],
    // What the library leaves unhandled fails the run (invariant 8).
    dangerouslyIgnoreUnhandledErrors: false,
    testTimeout: 20_000,
    typecheck: { enabled: true, include: ['test/types/**/*.test-d.ts'] },
  },
});
