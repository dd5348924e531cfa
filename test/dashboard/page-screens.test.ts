/**
 * Each screen of the dashboard with real orders on each storage, in a browser: what it shows, that it is accessible, that it
 * fits, and that no browser complains. Leaves a picture of each in `pictures/`, to be looked at.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryStorage } from 'order-processor';
import { PostgresStorage } from 'order-processor/postgres';
import { SqliteStorage } from 'order-processor/sqlite';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasBrowser, launchBrowser } from '../kit/browser.ts';
import { PostgresServer } from '../kit/postgres-server.ts';
import { OpenedPage, serveDashboard } from './kit/opened-page.ts';
import { fillShop, hostile, type OpenedShop, openShop } from './kit/shop.ts';

const pictures = join(import.meta.dirname, 'pictures');
const guides = join(import.meta.dirname, '../../src/guides');
const id = (text: string): string => encodeURIComponent(text);

/** Each screen, with a text that it has not before its data has come. */
const screens: readonly (readonly [name: string, address: string, text: string])[] = [
  ['attention', 'attention', 'vendor_unavailable'],
  ['user', 'user?id=ann', '€2,500.00'],
  ['user-held', 'user?id=bob', 'The lane is held'],
  ['user-unknown', 'user?id=nobody', 'No order of this user'],
  ['user-hostile', `user?id=${id(hostile.user)}`, 'card_declined'],
  ['order-completed', 'order?id=ann-5', 'What it did to balances'],
  ['order-compensated', 'order?id=ann-4', 'refund rejected'],
  ['order-held', 'order?id=bob-1', 'The vendor does not answer'],
  ['order-running', 'order?id=dave-1', 'on its way'],
  ['order-hostile', `order?id=${id(hostile.order)}`, 'Why it failed'],
  ['order-unknown', 'order?id=nothing', 'No order has this id'],
  ['orders', 'orders', 'frank-1'],
  ['orders-filtered', 'orders?status=failed&code=card_declined', 'ann-3'],
  ['orders-none', 'orders?label=none', 'No order'],
  ['users', 'users', 'Looked at last'],
  ['users-found', 'users?q=ann', '€'],
  ['lanes', 'lanes', 'carol'],
  ['overview', 'overview', 'Since the processor began'],
  ['live', 'live', 'Waiting for events'],
  ['processors', 'processors', 'rocessor'],
  ['actions', 'actions', 'Nothing was done yet'],
];

describe.skipIf(!hasBrowser)('the screens of the dashboard', () => {
  let browser: Browser;
  const home = mkdtempSync(join(tmpdir(), 'order-processor-dashboard-'));
  beforeAll(async () => {
    mkdirSync(pictures, { recursive: true });
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(home, { recursive: true });
  });

  async function onShop(
    storage: Parameters<typeof openShop>[0],
    play: (page: OpenedPage, shop: OpenedShop) => Promise<void>,
  ): Promise<void> {
    const shop = openShop(storage);
    await shop.processor.ready;
    const server = await serveDashboard(shop.processor, {
      title: 'Corner shop',
      authenticate: () => ({ users: 'all', client: 'maria' }),
      currency: { code: 'EUR', locale: 'en-IE' },
      showPayloads: true,
    });
    await fillShop(shop);
    const page = await OpenedPage.open(browser, server.page);
    try {
      await play(page, shop);
      // The browser itself writes of each answer 404: that of the order that there is not.
      expect(page.complaints.filter((text) => !text.includes('404'))).toEqual([]);
    } finally {
      await page.close();
      await server.close();
      await shop.processor.shutdown({ timeoutMs: 10 });
    }
  }

  /** Shows each screen, at each width in each scheme. */
  async function look(page: OpenedPage, storage: string, isWhole: boolean): Promise<void> {
    for (const [name, address, text] of screens) {
      await page.useWidth(1_400);
      await page.show(address, text);
      for (const scheme of isWhole ? (['light', 'dark'] as const) : (['light'] as const)) {
        await page.useScheme(scheme);
        for (const width of isWhole ? [1_400, 400] : [400]) {
          await page.useWidth(width);
          expect(await page.widthNeeded(), `${name} at ${width}`).toBe(width);
          if (isWhole && (width === 1_400 || scheme === 'light')) {
            expect(await page.violations(), `${name}, ${scheme}, ${width}`).toEqual([]);
          }
          const path = join(pictures, `${storage}-${name}-${width}-${scheme}.png`);
          await page.page.screenshot({
            ...{ path: path as `${string}.png`, fullPage: true },
            optimizeForSpeed: true,
          });
        }
      }
      // What strangers wrote is text: nothing of it has run, or styled anything.
      expect(await page.page.evaluate('document.title')).toBe('Corner shop');
      const made =
        'document.querySelectorAll("main img, main script, main style, main b b").length';
      expect(await page.page.evaluate(made)).toBe(0);
    }
  }

  it('in memory, in light and dark, wide and narrow', async () => {
    await onShop(new MemoryStorage(), (page) => look(page, 'memory', true));
  }, 300_000);

  it('on SQLite', async () => {
    const storage = await SqliteStorage.open(join(home, 'orders.db'));
    await onShop(storage, (page) => look(page, 'sqlite', false));
  }, 120_000);

  it('on PostgreSQL, with its partitions', async () => {
    await using server = await PostgresServer.start();
    const storage = await PostgresStorage.open({ connectionString: server.url });
    await onShop(storage, async (page) => {
      await look(page, 'postgres', false);
      await page.useWidth(1_400);
      await page.show('processors', 'this one');
      expect(await page.violations()).toEqual([]);
    });
  }, 180_000);

  it('shows amounts exactly, beyond what a number of euros could hold', async () => {
    await onShop(undefined, (page) => page.show('user?id=greta', '€90,071,992,547,409.91'));
  }, 60_000);

  it('isolates what runs the other way, and has the whole of a long id', async () => {
    await onShop(undefined, async (page) => {
      await page.show(`order?id=${id(hostile.order)}`, 'Why it failed');
      const heading = 'document.querySelector("main h1 .id")';
      expect(await page.page.evaluate(`${heading}.title`)).toBe(hostile.order);
      expect(await page.page.evaluate(`${heading}.querySelector("bdi").textContent`)).toBe(
        hostile.order,
      );
      const loose = `[...document.querySelectorAll('main *')].filter((each) =>
        [...each.childNodes].some((node) => node.nodeType === 3 && /[\\u202E\\u05D0-\\u05EA]/.test(node.data))
        && each.closest('bdi, pre') === null).length`;
      expect(await page.page.evaluate(loose)).toBe(0);
    });
  }, 60_000);

  it('has the pictures of the guide, small and as they were made last', async () => {
    const shown: readonly (readonly [string, string, string, number])[] = [
      ['dashboard-attention', 'attention', 'vendor_unavailable', 620],
      ['dashboard-order', 'order?id=ann-4', 'refund rejected', 720],
      ['dashboard-user', 'user?id=ann', 'Statement', 640],
    ];
    await onShop(undefined, async (page, { processor }) => {
      await page.useScheme('light');
      for (let order = 1; order <= 30; order += 1) {
        const amount = (order % 4 === 0 ? 17_000 : -4_300) + ((order * 37) % 11) * 450;
        await processor.submit({ userId: 'ann', amount, payload: { takesMs: (order * 7) % 60 } });
      }
      for (const [name, address, text, height] of shown) {
        await page.page.setViewport({ width: 1_120, height });
        await page.show(address, text);
        // The other panels have their data as well.
        await page.until('document.querySelector(".skeleton") === null');
        const made = join(pictures, `${name}.webp`);
        await page.page.screenshot({ path: made as `${string}.webp`, type: 'webp', quality: 72 });
        if (process.env.GUIDE_PICTURES === 'yes') {
          copyFileSync(made, join(guides, `${name}.webp`));
        }
        expect(statSync(join(guides, `${name}.webp`)).size).toBeLessThan(60_000);
      }
    });
  }, 60_000);
});
