import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

/** The bytes of an entry with its dependencies, and without peers, bundled, minified and gzipped. */
export async function bundleSize(entry = 'index.ts', peers: string[] = []): Promise<number> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, '../../src', entry)],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'node',
    external: ['node:*', ...peers],
    logLevel: 'error',
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error('esbuild gave no file');
  return gzipSync(file.contents).length;
}
