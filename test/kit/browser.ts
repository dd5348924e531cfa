/** A browser of the tests' own, from npm: `npm ci` alone brings it, and no test downloads anything. Linux on x64 alone. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import chromium from '@sparticuz/chromium';
import puppeteer, { type Browser } from 'puppeteer-core';

/** Whether the package has a browser for this machine. */
export const hasBrowser = process.platform === 'linux' && process.arch === 'x64';

/** Those of the package draw with a graphics card that it emulates, which makes a picture take eight times as long. */
const args = chromium.args.filter((arg) => !/gpu|swiftshader|-gl=/.test(arg));

const root = join(import.meta.dirname, '../..');
const { uid } = userInfo();
const cache = join(root, 'node_modules/.cache');
const about = join(root, 'node_modules/@sparticuz/chromium/package.json');
const { version } = JSON.parse(readFileSync(about, 'utf8')) as { version: string };
const folder = join(cache, `order-processor-browser-${version}-${uid}`);

/**
 * The package unpacks its browser into the folder for temporary files, where another user's may be, or one that another
 * process is still unpacking. Here each user has one, which is whole when it has its name.
 */
async function browserPath(): Promise<string> {
  const path = join(folder, 'chromium');
  if (existsSync(path)) return path;
  await mkdir(cache, { recursive: true }).catch(() => {});
  const partial = await mkdtemp(`${folder}-`).catch(() =>
    mkdtemp(join(tmpdir(), 'order-processor-browser-')),
  );
  const unpack = `import chromium from '@sparticuz/chromium'; await chromium.executablePath();`;
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', unpack], {
    ...{ cwd: root, env: { ...process.env, TMPDIR: partial } },
  });
  try {
    await rename(partial, folder);
    return path;
  } catch {
    // Another process was first, or the cache cannot be written.
    if (!existsSync(path)) return join(partial, 'chromium');
    await rm(partial, { recursive: true, force: true });
    return path;
  }
}

/** Root has no sandbox to run it in. */
export async function launchBrowser(): Promise<Browser> {
  return puppeteer.launch({
    args: [...args, '--disable-gpu', '--no-sandbox'],
    executablePath: await browserPath(),
    headless: 'shell',
  });
}
