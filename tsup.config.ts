import { copyFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Plugin, PluginBuild } from 'esbuild';
import { defineConfig } from 'tsup';

export const startsWorker = /[\\/]sqlite[\\/]thread[\\/]start-worker\.ts$/;

/** The code of the thread that a file starts, in CommonJS. */
export async function workerText(
  esbuild: Pick<PluginBuild['esbuild'], 'build'>,
  path: string,
): Promise<string> {
  const { outputFiles } = await esbuild.build({
    entryPoints: [join(dirname(path), 'worker.ts')],
    bundle: true,
    write: false,
    platform: 'node',
    // A text that is run is CommonJS.
    format: 'cjs',
    target: 'node22.18',
  });
  return outputFiles[0]?.text ?? '';
}

/** What stands for the file that starts the thread: it has the thread's code in it. */
async function withWorkerInside(esbuild: PluginBuild['esbuild'], path: string): Promise<string> {
  return `
    import { Worker } from 'node:worker_threads';
    const text = ${JSON.stringify(await workerText(esbuild, path))};
    export const startWorker = (options) => new Worker(text, { ...options, eval: true });`;
}

/** Puts the thread's code into what starts it, so that it is found wherever the package is bundled to. */
export const workerInside: Plugin = {
  name: 'worker-inside',
  setup(build) {
    build.onLoad({ filter: startsWorker }, async ({ path }) => ({
      contents: await withWorkerInside(build.esbuild, path),
      loader: 'js',
    }));
  },
};

export const bundledPage = /[\\/]dashboard[\\/]page-bundle\.ts$/;

/** The dashboard's page: one script and one style sheet, with the libraries that it uses in them. */
export async function pageText(
  esbuild: Pick<PluginBuild['esbuild'], 'build'>,
  path: string,
): Promise<{ readonly script: string; readonly style: string }> {
  const { outputFiles } = await esbuild.build({
    entryPoints: [join(dirname(path), 'page/main.tsx')],
    bundle: true,
    minify: true,
    write: false,
    outdir: 'page',
    format: 'esm',
    // The oldest browsers that know `light-dark()` in style sheets.
    target: ['chrome123', 'firefox120', 'safari17.5'],
    // Its own, whatever the package is built with.
    tsconfig: join(dirname(path), 'page/tsconfig.json'),
    legalComments: 'none',
    // The library's modules have no side effects; those of the page do.
    ignoreAnnotations: true,
  });
  const text = (extension: string) =>
    outputFiles.find((file) => file.path.endsWith(extension))?.text.trim() ?? '';
  return { script: text('.js'), style: text('.css') };
}

/** The module that has the page in it. */
export async function pageModule(
  esbuild: Pick<PluginBuild['esbuild'], 'build'>,
  path: string,
): Promise<string> {
  return `export const pageBundle = ${JSON.stringify(await pageText(esbuild, path))};`;
}

/** Puts the page into what serves it, so that it is found wherever the package is bundled to. */
export const pageInside: Plugin = {
  name: 'page-inside',
  setup(build) {
    build.onLoad({ filter: bundledPage }, async ({ path }) => ({
      contents: await pageModule(build.esbuild, path),
      loader: 'js',
    }));
  },
};

export default defineConfig({
  // One entry per subpath of package.json's `exports`, and per `bin`; test/project/package.test.ts holds them together.
  entry: {
    index: 'src/index.ts',
    'dashboard/index': 'src/dashboard/index.ts',
    'grpc/index': 'src/grpc/index.ts',
    'http/index': 'src/http/index.ts',
    'opentelemetry/index': 'src/opentelemetry/index.ts',
    'postgres/command': 'src/postgres/command.ts',
    'postgres/index': 'src/postgres/index.ts',
    'prometheus/index': 'src/prometheus/index.ts',
    'sqlite/index': 'src/sqlite/index.ts',
    'testing/index': 'src/testing/index.ts',
  },
  format: 'esm',
  esbuildPlugins: [workerInside, pageInside],
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
