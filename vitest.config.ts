import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Hundreds of processes and threads of the tests read the same sources, and each would strip their types anew.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(
  new URL('node_modules/.cache/order-processor-compiled', import.meta.url),
);

const all = globSync('test/**/*.test.ts');

/** With a clock of their own: a timer that another file has left behind would be among theirs. */
const withFakeTimers = all.filter((file) =>
  /useFakeTimers|virtual-clock|scenarios/.test(readFileSync(file, 'utf8')),
);

/** What installs everything anew is for `npm run full` alone. */
const long = ['test/service/dockerfile.test.ts'];

const isOfMode = (mode: string) => (file: string) => mode === 'full' || !long.includes(file);

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
    // What the library leaves unhandled fails the run (invariant 8).
    dangerouslyIgnoreUnhandledErrors: false,
    testTimeout: 20_000,
    // By default one core is left idle. But many tests wait, for a socket or another process.
    maxWorkers: '150%',
    projects: [
      {
        extends: true,
        test: {
          name: 'plain',
          include: all.filter((file) => !withFakeTimers.includes(file)).filter(isOfMode(mode)),
          // To start a worker for each file takes longer than many of them.
          isolate: false,
          typecheck: {
            enabled: true,
            include: ['test/types/**/*.test-d.ts'],
            // Only them; `npm run types` checks everything.
            tsconfig: 'test/types/tsconfig.json',
          },
        },
      },
      {
        extends: true,
        test: { name: 'fake timers', include: withFakeTimers.filter(isOfMode(mode)) },
      },
    ],
  },
}));
