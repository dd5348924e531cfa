import { defineConfig } from 'tsup';

export default defineConfig({
  // One entry per subpath of package.json's `exports`; test/package.test.ts holds the two together.
  entry: { index: 'src/index.ts' },
  format: 'esm',
  target: 'node22.18',
  dts: true,
  clean: true,
  sourcemap: false,
  treeshake: true,
});
