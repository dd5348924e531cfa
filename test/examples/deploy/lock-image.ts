/**
 * Writes what the image of the service installs: the versions that the repository has, and a lock file
 * for them. The library in it has no checksum, since the Dockerfile builds it anew each time.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../../..');
const image = join(root, 'examples/deploy/image');
const folder = mkdtempSync(join(tmpdir(), 'order-service-lock-'));

function readJson(path: string) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

function writeJson(path: string, value: object): void {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}

const { devDependencies, name, version } = readJson(join(root, 'package.json'));
const manifest = readJson(join(image, 'package.json'));
for (const each of Object.keys(manifest.dependencies)) {
  if (each !== name) manifest.dependencies[each] = devDependencies[each];
}
execFileSync('npm', ['pack', '--pack-destination', folder], { cwd: root, stdio: 'inherit' });
renameSync(join(folder, `${name}-${version}.tgz`), join(folder, `${name}.tgz`));
writeJson(join(folder, 'package.json'), manifest);
// What is locked already stays, as far as it fits.
cpSync(join(image, 'package-lock.json'), join(folder, 'package-lock.json'));
execFileSync('npm', ['install', '--package-lock-only', '--ignore-scripts'], {
  cwd: folder,
  stdio: 'inherit',
});
const lock = readJson(join(folder, 'package-lock.json'));
delete lock.packages[`node_modules/${name}`].integrity;
writeJson(join(image, 'package.json'), manifest);
writeJson(join(image, 'package-lock.json'), lock);
rmSync(folder, { recursive: true });
