/** The generated documentation, in a real browser: what a reader finds in it, and that nothing in it is broken. */
import { execFile } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, extname, join, normalize } from 'node:path';
import { promisify } from 'node:util';
import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasBrowser, launchBrowser } from '../kit/browser.ts';

const root = join(import.meta.dirname, '../..');
const out = mkdtempSync(join(tmpdir(), 'order-processor-docs-'));
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

beforeAll(async () => {
  const typedoc = join(root, 'node_modules/typedoc/bin/typedoc');
  await promisify(execFile)(process.execPath, [typedoc, '--out', out], { cwd: root });
}, 240_000);
afterAll(() => rmSync(out, { recursive: true }));

/** The targets of a page's links that lead into the documentation, as paths of files and their anchors. */
function linksOf(page: string): [path: string, anchor: string | undefined][] {
  const html = readFileSync(join(out, page), 'utf8');
  const targets = [...html.matchAll(/href="(?!https?:|mailto:|data:)([^"]*)"/g)].map(
    ([, to = '']) => decodeURI(to.replaceAll('&amp;', '&')),
  );
  return targets.map((to) => {
    const [path = '', anchor] = to.split('#');
    return [path === '' ? page : normalize(join(dirname(page), path)), anchor];
  });
}

it('has no link and no anchor that leads nowhere', () => {
  const files = new Set(globSync('**/*', { cwd: out }));
  const anchors = new Map<string, ReadonlySet<string>>();
  const anchorsIn = (page: string): ReadonlySet<string> => {
    const html = readFileSync(join(out, page), 'utf8');
    const known =
      anchors.get(page) ?? new Set([...html.matchAll(/ id="([^"]+)"/g)].map(([, id = '']) => id));
    anchors.set(page, known);
    return known;
  };
  const pages = [...files].filter((file) => file.endsWith('.html'));
  expect(pages.length).toBeGreaterThan(100);
  const dead = pages.flatMap((page) =>
    linksOf(page)
      .filter(([path, anchor]) => {
        if (!files.has(path)) return true;
        // An empty one is the beginning of the page.
        return Boolean(anchor) && path.endsWith('.html') && !anchorsIn(path).has(anchor as string);
      })
      .map(([path, anchor]) => `${page}: ${path}#${anchor ?? ''}`),
  );
  expect([...new Set(dead)]).toEqual([]);
});

const guides = (): string[] => globSync('documents/*.html', { cwd: out });

describe.skipIf(!hasBrowser)('in a browser', () => {
  let server: Server;
  let browser: Browser;
  let page: Page;
  let base: string;
  const broken: string[] = [];

  beforeAll(async () => {
    server = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? '', 'http://localhost');
      try {
        const file = readFileSync(join(out, decodeURIComponent(pathname)));
        response.setHeader('content-type', types[extname(pathname)] ?? 'application/octet-stream');
        response.end(file);
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await launchBrowser();
    page = await browser.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error') broken.push(message.text());
    });
    page.on('pageerror', (error) => broken.push(String(error)));
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  it.each([
    ['durable', 'Durable storage on one machine'],
    ['express', 'HTTP'],
    ['refund', 'Recipes'],
    ['fake timers', 'Testing your code'],
    ['SIGTERM', 'Deploying'],
  ])(
    'finds the guide for "%s"',
    async (word, guide) => {
      await page.goto(`${base}/index.html`);
      await page.click('#tsd-search-trigger');
      await page.type('#tsd-search-input', word);
      const results = `[...document.querySelectorAll('#tsd-search-results a')].slice(0, 5).map((link) => link.textContent.trim())`;
      await page.waitForFunction(`${results}.includes(${JSON.stringify(guide)})`, {
        timeout: 30_000,
      });
    },
    60_000,
  );

  it('has no page that violates the accessibility rules, or scrolls sideways on a phone', async () => {
    const axe = readFileSync(join(root, 'node_modules/axe-core/axe.min.js'), 'utf8');
    // The theme puts a link into the summary of each section: that one rule is its own.
    const run = `axe.run({ runOnly: ['wcag2a', 'wcag2aa'], rules: { 'nested-interactive': { enabled: false } } })
      .then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes[0].html))`;
    const paths = ['index.html', 'classes/order-processor.OrderProcessor.html', ...guides()];
    for (const path of paths) {
      await page.setViewport({ width: 400, height: 800 });
      await page.goto(`${base}/${path.split('/').map(encodeURIComponent).join('/')}`);
      expect(await page.evaluate('document.documentElement.scrollWidth'), path).toBe(400);
      await page.setViewport({ width: 1_200, height: 900 });
      // The menu of the site is the same on all pages, and has most of their elements.
      if (path !== 'index.html')
        await page.evaluate(`document.querySelector('.site-menu').remove()`);
      await page.evaluate(axe);
      expect(await page.evaluate(run), path).toEqual([]);
    }
  }, 240_000);

  it('logs no error', () => {
    expect(broken).toEqual([]);
  });
});
