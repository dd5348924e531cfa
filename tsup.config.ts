import { copyFile } from 'node:fs/promises';
import { defineConfig } from 'tsup';

export default defineConfig({
  // One entry per subpath of package.json's `exports`; test/package.test.ts holds the two together.
  entry: {
    index: 'src/index.ts',
    'grpc/index': 'src/grpc/index.ts',
    'http/index': 'src/http/index.ts',
    'prometheus/index': 'src/prometheus/index.ts',
    'sqlite/index': 'src/sqlite/index.ts',
    // The thread of `sqlite/index`, which finds it beside itself; not for others, so not exported.
    'sqlite/worker': 'src/sqlite/worker.ts',
    'testing/index': 'src/testing/index.ts',
  },
  format: 'esm',
  target: 'node22.18',
  // `node:sqlite` has no name without it.
  removeNodeProtocol: false,
  dts: true,
  clean: true,
  sourcemap: false,
  treeshake: true,
  // The contract itself is published, for clients in other languages.
  onSuccess: () =>
    copyFile('src/grpc/proto/orderprocessor/v1/orders.proto', 'dist/grpc/orders.proto'),
});
