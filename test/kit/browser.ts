/** A browser of the tests' own, from npm: `npm ci` alone brings it, and no test downloads anything. Linux on x64 alone. */
import chromium from '@sparticuz/chromium';
import puppeteer, { type Browser } from 'puppeteer-core';

/** Whether the package has a browser for this machine. */
export const hasBrowser = process.platform === 'linux' && process.arch === 'x64';

/** Those of the package draw with a graphics card that it emulates, which makes a picture take eight times as long. */
const args = chromium.args.filter((arg) => !/gpu|swiftshader|-gl=/.test(arg));

/** Root has no sandbox to run it in. */
export async function launchBrowser(): Promise<Browser> {
  return puppeteer.launch({
    args: [...args, '--disable-gpu', '--no-sandbox'],
    executablePath: await chromium.executablePath(),
    headless: 'shell',
  });
}
