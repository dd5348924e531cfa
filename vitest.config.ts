import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Hundreds of processes and threads of the tests read the same sources, and each would strip their types anew.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(
  new URL('node_modules/.cache/order-processor-compiled', import.meta.url),
);

/** What installs everything anew is for `npm run full` alone. */
const long = ['test/service/dockerfile.test.ts'];

export default defineConfig(({ mode }) => ({
  resolve: {
    // The longer names first: one that is the beginning of another would be taken for it.
    alias: {
      'order-processor/grpc': fileURLToPath(new URL('src/grpc/index.ts', import.meta.url)),
      'order-processor/http': fileURLToPath(new URL('src/http/index.ts', import.meta.url)),
      'order-processor/prometheus': fileURLToPath(
        new URL('src/prometheus/index.ts', import.meta.url),
      ),
      'order-processor/sqlite': fileURLToPath(new URL('src/sqlite/index.ts', import.meta.url)),
      'order-processor/testing': fileURLToPath(new URL('src/testing/index.ts', import.meta.url)),
      'order-processor': fileURLToPath(new URL('src/index.ts', import.meta.url)),
    },
  },
  test: {
    include: ['test/**/*.test.ts'],
    // Soak runs for minutes and has its own script.
    exclude: ['test/soak/**', ...(mode === 'full' ? [] : long)],
    // What the library leaves unhandled fails the run (invariant 8).
    dangerouslyIgnoreUnhandledErrors: false,
    testTimeout: 20_000,
    // By default one core is left idle. But many tests wait, for a socket or another process.
    maxWorkers: '150%',
    typecheck: {
      enabled: true,
      include: ['test/types/**/*.test-d.ts'],
      // Only them; `npm run types` checks everything.
      tsconfig: 'test/types/tsconfig.json',
    },
  },
}));
