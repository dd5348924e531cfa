/** What a person does with the dashboard, in a browser: each action, roles, credentials, and a processor that goes and comes back. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bearer } from 'order-processor/dashboard';
import { SqliteStorage } from 'order-processor/sqlite';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasBrowser, launchBrowser } from '../kit/browser.ts';
import { OpenedPage, serveDashboard } from './kit/opened-page.ts';
import { fillShop, openShop, until } from './kit/shop.ts';

const operator = 'a-long-random-token-of-maria';
const reader = 'a-long-random-token-of-tom';
const annsOwn = 'a-long-random-token-of-ann';
const tokens = {
  [operator]: { users: 'all', client: 'maria' },
  [reader]: { users: 'all', client: 'tom', role: 'read' },
  [annsOwn]: { users: ['ann'], client: 'ann' },
} as const;

describe.skipIf(!hasBrowser)('what a person does with the dashboard', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
  });

  async function filled(authenticate = bearer(tokens)) {
    const shop = openShop();
    const server = await serveDashboard(shop.processor, { authenticate });
    await fillShop(shop);
    const pages: OpenedPage[] = [];
    return {
      ...shop,
      server,
      open: async (token?: string): Promise<OpenedPage> => {
        const page = await OpenedPage.open(browser, server.page, token);
        pages.push(page);
        return page;
      },
      async [Symbol.asyncDispose]() {
        for (const page of pages) await page.close();
        await server.close();
        await shop.processor.shutdown({ timeoutMs: 10 });
      },
    };
  }

  it('cancels an order that runs, after a confirmation that says what it does', async () => {
    await using shop = await filled();
    const page = await shop.open(operator);
    await page.show('order?id=dave-1', 'processing');
    await page.press('Cancel', 'main');
    await page.sees('Cancel this order?');
    expect(await page.violations()).toEqual([]);
    await page.press('Back', 'dialog');
    expect((await shop.processor.order('dave-1'))?.status).toBe('processing');
    await page.press('Cancel', 'main');
    await page.press('Cancel the order', 'dialog');
    await page.sees('Canceled 1 order');
    await page.sees('Why it was canceled');
    expect((await shop.processor.order('dave-1'))?.status).toBe('canceled');
    expect(await page.violations()).toEqual([]);
    expect(page.complaints).toEqual([]);
  }, 60_000);

  it('retries an order, and all that a filter matches, with the number shown before', async () => {
    await using shop = await filled();
    const page = await shop.open(operator);
    await page.show('order?id=ann-3', 'Why it failed');
    await page.press('Retry', 'main');
    await page.press('Retry', 'dialog');
    await page.sees('Retried 1 order');
    await page.sees('Retried as');
    await page.show('orders?status=failed&userId=ann', 'ann-4');
    await page.press('Retry all that match', 'main');
    await page.sees('match now');
    const text = await page.text();
    const count = Number(/(\d+) orders? match/.exec(text)?.[1]);
    expect(count).toBeGreaterThan(0);
    await page.press(`Retry ${count} order${count === 1 ? '' : 's'}`, 'dialog');
    await page.sees('Retried');
    expect(page.complaints).toEqual([]);
  }, 60_000);

  it('runs failed compensations once more', async () => {
    await using shop = await filled();
    const page = await shop.open(operator);
    await page.show('order?id=ann-4', 'refund rejected');
    shop.world.areRefundsDown = false;
    await page.press('Compensate again', 'main');
    await page.press('Compensate again', 'dialog');
    await page.sees('Compensated 1 order');
    const isDone = async () => {
      const order = await shop.processor.order('ann-4');
      return order?.steps.some(({ compensation }) => compensation?.status === 'ok') ?? false;
    };
    await until(isDone);
    expect(page.complaints).toEqual([]);
  }, 60_000);

  it('releases a lane with a retry of the order that holds it, and all lanes with a skip', async () => {
    await using shop = await filled();
    const page = await shop.open(operator);
    await page.show('user?id=bob', 'The lane is held');
    shop.world.isVendorUp = true;
    await page.press('Release', '.panel.bad');
    await page.sees('Retry it first');
    expect(await page.violations()).toEqual([]);
    await page.press('Release the lane', 'dialog');
    await page.sees('Released 1 lane');
    await until(async () => (await shop.processor.order('bob-3'))?.status === 'completed');
    expect((await shop.processor.order('bob-1'))?.status).toBe('completed');
    await page.show('attention', 'Held lanes');
    await page.press('Release all', 'main');
    await page.press('Release 1 lane', 'dialog');
    await page.sees('Released 1 lane, failed orders retried');
    await until(async () => (await shop.processor.order('carol-1'))?.status === 'completed');
    expect(page.complaints).toEqual([]);
  }, 60_000);

  it('holds a user for a reason, pauses and resumes the processor, and lists what was done by whom', async () => {
    await using shop = await filled();
    const page = await shop.open(operator);
    await page.show('user?id=ann', 'Statement');
    await page.press('Hold', 'main');
    await page.until('document.querySelector("#dialog-reason") !== null');
    await page.page.type('#dialog-reason', 'Ask the bank');
    await page.press('Hold the user', 'dialog');
    await page.sees('The lane is held');
    await page.sees('Ask the bank');
    await page.show('attention', 'Pause all');
    await page.press('Pause all', 'main');
    await page.press('Pause', 'dialog');
    await page.sees('The processor is paused');
    expect(shop.processor.stats().isPaused).toBe(true);
    await page.press('Resume all', 'main');
    await page.press('Resume', 'dialog');
    await page.until('!document.body.innerText.includes("The processor is paused")');
    expect(shop.processor.stats().isPaused).toBe(false);
    await page.show('actions', 'Resumed the processor');
    await page.sees('Ask the bank');
    await page.sees('maria');
    expect(await page.violations()).toEqual([]);
    expect(page.complaints).toEqual([]);
  }, 60_000);

  it('shows events as they happen, until the list is paused', async () => {
    await using shop = await filled();
    const page = await shop.open(operator);
    await page.show('live', 'Waiting for events');
    await page.sees('Live');
    await page.until('document.querySelector(".state.live") !== null');
    await shop.processor.submit({ id: 'new-1', userId: 'zoe', amount: 5, payload: {} });
    await page.sees('new-1');
    await page.press('Pause', 'main');
    await shop.processor.submit({ id: 'new-2', userId: 'zoe', amount: 5, payload: {} });
    await page.until('/[1-9]\\d* more since then/.test(document.body.innerText)');
    expect(await page.text()).not.toContain('new-2');
    await page.press('Go on', 'main');
    await page.sees('new-2');
    expect(page.complaints).toEqual([]);
  }, 60_000);

  it('updates what it shows, and rests while the page is in the background', async () => {
    await using shop = await filled();
    const page = await shop.open(operator);
    await page.show('user?id=ann', 'Statement');
    await page.until('document.querySelector(".state.live") !== null');
    await shop.processor.submit({ id: 'ann-6', userId: 'ann', amount: 1, payload: {} });
    await page.sees('ann-6');
    const hide = (isHidden: boolean) =>
      page.page.evaluate(`Object.defineProperty(document, 'hidden', { configurable: true, get: () => ${isHidden} });
        document.dispatchEvent(new Event('visibilitychange'))`);
    await hide(true);
    await page.until('document.querySelector(".state.resting") !== null');
    await hide(false);
    await page.until('document.querySelector(".state.live") !== null');
    expect(page.complaints).toEqual([]);
  }, 60_000);

  it('may see and not act by the role `read`, and says why', async () => {
    await using shop = await filled();
    const page = await shop.open(reader);
    await page.show('user?id=bob', 'The lane is held');
    const isOff = `[...document.querySelectorAll('main button')].filter((each) => /Release/.test(each.textContent)).every((each) => each.getAttribute('aria-disabled') === 'true' && each.title.includes('your role'))`;
    expect(await page.page.evaluate(isOff)).toBe(true);
    await page.sees('Read only');
    expect(page.complaints).toEqual([]);
  }, 60_000);

  it('sees nothing of other users by the rights of a client, and says what to do', async () => {
    await using shop = await filled();
    const page = await shop.open(annsOwn);
    await page.show('users', 'Your users');
    await page.press('ann', 'main');
    await page.sees('Statement');
    await page.show('orders', 'Say whose orders');
    expect(page.complaints).toEqual([]);
    await page.show('user?id=bob', 'You may not see this user');
    expect(await page.text()).not.toContain('vendor_unavailable');
  }, 60_000);

  it('asks no more for what is refused for good, and for what is allowed again', async () => {
    await using shop = await filled();
    const page = await shop.open(annsOwn);
    const asked: string[] = [];
    page.page.on('request', (request) => void asked.push(request.url()));
    await page.show('overview', 'you may see certain users');
    await page.until('document.querySelector(".state.lost") !== null');
    const before = asked.length;
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(asked).toHaveLength(before);
    expect(await page.text()).not.toContain('Trying again');
    await page.show('user?id=ann', 'Statement');
    await page.until('document.querySelector(".state.live") !== null');
  }, 60_000);

  it('asks for a token, says that one is wrong, and goes on where it was when one has expired', async () => {
    let isExpired = false;
    const known = bearer(tokens);
    await using shop = await filled((request) => (isExpired ? undefined : known(request)));
    const page = await shop.open();
    await page.show('orders?status=failed', 'Sign in');
    expect(await page.violations()).toEqual([]);
    await page.page.type('#token', 'no-token-of-anybody');
    await page.page.keyboard.press('Enter');
    await page.sees('not accepted');
    await page.page.type('#token', operator);
    await page.page.keyboard.press('Enter');
    await page.sees('ann-3');
    isExpired = true;
    await page.press('Apply', 'main');
    await page.show('lanes', 'Your session has ended');
    isExpired = false;
    await page.page.type('#token', operator);
    await page.press('Sign in', 'main');
    await page.sees('carol');
    // The browser itself writes of each answer 401.
    expect(page.complaints.filter((text) => !text.includes('401'))).toEqual([]);
  }, 60_000);

  it('says that the processor shuts down, and goes on when it is back', async () => {
    const home = mkdtempSync(join(tmpdir(), 'order-processor-dashboard-'));
    const file = join(home, 'orders.db');
    const first = openShop(await SqliteStorage.open(file));
    await fillShop(first);
    const server = await serveDashboard(first.processor);
    const page = await OpenedPage.open(browser, server.page);
    await page.show('user?id=bob', 'The lane is held');
    await page.until('document.querySelector(".state.live") !== null');
    await first.processor.shutdown({ timeoutMs: 10 });
    await page.sees('shutting down');
    await server.close();
    await page.press('Try now', 'main');
    await page.sees('does not answer');
    const second = openShop(await SqliteStorage.open(file));
    await second.processor.ready;
    const port = Number(new URL(server.url).port);
    const again = await serveDashboard(second.processor, {}, port);
    await page.press('Try now', 'main');
    await page.until('document.querySelector(".state.live") !== null');
    await page.sees('The lane is held');
    expect(await page.text()).not.toContain('What you see may be old');
    await page.close();
    await again.close();
    await second.processor.shutdown({ timeoutMs: 10 });
    rmSync(home, { recursive: true });
  }, 60_000);

  it('goes by keys alone: to the search, over the menu, into a dialog and out of it', async () => {
    await using shop = await filled();
    const page = await shop.open(operator);
    await page.show('attention', 'Held lanes');
    const { keyboard } = page.page;
    await keyboard.press('/');
    await keyboard.type('bob-1');
    await keyboard.press('Enter');
    await page.sees('The vendor does not answer');
    await page.show('user?id=bob', 'The lane is held');
    const focused = 'document.activeElement.textContent.trim()';
    // The heading has the focus, so that the next key goes on from there.
    await page.until('document.activeElement.matches("main h1")');
    for (let keys = 0; (await page.page.evaluate(focused)) !== 'Release'; keys += 1) {
      expect(keys).toBeLessThan(10);
      await keyboard.press('Tab');
    }
    const outline = 'getComputedStyle(document.activeElement).outlineStyle';
    expect(await page.page.evaluate(outline)).not.toBe('none');
    await keyboard.press('Enter');
    await page.until('document.querySelector("dialog[open]") !== null');
    await keyboard.press('Escape');
    await page.until('document.querySelector("dialog[open]") === null');
    expect(await page.page.evaluate(focused)).toBe('Release');
  }, 60_000);

  it('keeps the colours that a person has chosen', async () => {
    await using shop = await filled();
    const page = await shop.open(operator);
    await page.show('attention', 'Held lanes');
    await page.press('Colours: system. Change to light');
    await page.press('Colours: light. Change to dark');
    await page.page.reload();
    await page.sees('Held lanes');
    expect(await page.page.evaluate('document.documentElement.dataset.theme')).toBe('dark');
    const scheme = 'getComputedStyle(document.documentElement).colorScheme';
    expect(await page.page.evaluate(scheme)).toBe('dark');
  }, 60_000);
});
