/** A dashboard in a browser, as a person has it, with all that a browser complains about. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createDashboard, type DashboardOptions } from 'order-processor/dashboard';
import { type OrderServer, serve } from 'order-processor/http';
import type { Browser, Page } from 'puppeteer-core';
import type { Shop } from './shop.ts';

const axe = readFileSync(
  join(import.meta.dirname, '../../../node_modules/axe-core/axe.min.js'),
  'utf8',
);

/** Serves a dashboard below `/ops/`, as a proxy would have it. */
export async function serveDashboard(
  processor: Shop,
  options: DashboardOptions = {},
  port = 0,
): Promise<OrderServer & { readonly page: string }> {
  const dashboard = createDashboard(processor as never, options);
  const server = await serve(dashboard, { port, hostname: '127.0.0.1' });
  return { ...server, url: server.url, close: () => server.close(), page: `${server.url}/ops/` };
}

export class OpenedPage {
  readonly page: Page;
  /** What the browser complained about: errors of the console, exceptions, violations of the policy. */
  readonly complaints: string[] = [];
  readonly #base: string;

  private constructor(page: Page, base: string) {
    this.page = page;
    this.#base = base;
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(String(error)));
  }

  /** @param token - the bearer token that the person has given before */
  static async open(browser: Browser, base: string, token?: string): Promise<OpenedPage> {
    const page = await browser.newPage();
    await page.setViewport({ width: 1_400, height: 900 });
    if (token !== undefined) {
      const keep = `sessionStorage.setItem('order-processor.token', ${JSON.stringify(token)})`;
      await page.evaluateOnNewDocument(keep);
    }
    return new OpenedPage(page, base);
  }

  async close(): Promise<void> {
    await this.page.close();
  }

  /** Shows a screen, and waits for a text on it. */
  async show(address: string, text: string): Promise<void> {
    const url = `${this.#base}#/${address}`;
    // The same document, as when a person follows a link.
    if (this.page.url().startsWith(this.#base)) {
      await this.page.evaluate(`location.hash = ${JSON.stringify(`#/${address}`)}`);
    } else await this.page.goto(url);
    await this.sees(text);
  }

  /** Waits until the page shows a text. */
  async sees(text: string): Promise<void> {
    const expected = JSON.stringify(text);
    try {
      await this.until(`document.body.innerText.includes(${expected})`);
    } catch {
      const shown = await this.page.evaluate('document.body.innerText');
      throw new Error(`The page does not show ${expected}, but:\n${shown}`);
    }
  }

  async until(expression: string): Promise<void> {
    for (let tries = 0; !(await this.page.evaluate(`Boolean(${expression})`)); tries += 1) {
      if (tries > 1_000) throw new Error(`It never came to this in the page: ${expression}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async text(): Promise<string> {
    return (await this.page.evaluate('document.body.innerText')) as string;
  }

  /** Presses a button, or follows a link, that has this name. */
  async press(name: string, within = 'body'): Promise<void> {
    const find = `[...document.querySelectorAll(${JSON.stringify(`${within} button, ${within} a`)})]
      .find((each) => (each.getAttribute('aria-label') ?? each.textContent).trim() === ${JSON.stringify(name)})`;
    await this.until(
      `(${find}) !== undefined && (${find}).getAttribute('aria-disabled') !== 'true'`,
    );
    await this.page.evaluate(`(${find}).click()`);
  }

  /** Violations of the accessibility rules A and AA. */
  async violations(): Promise<string[]> {
    if (!(await this.page.evaluate('typeof axe === "object"'))) await this.page.evaluate(axe);
    const run = `axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'], resultTypes: ['violations'] })
      .then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html, any }) => html.slice(0, 300) + ' ' + (any[0]?.message ?? '')).slice(0, 3).join('\\n')))`;
    return (await this.page.evaluate(run)) as string[];
  }

  async useScheme(scheme: 'light' | 'dark'): Promise<void> {
    await this.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  }

  async useWidth(width: number): Promise<void> {
    await this.page.setViewport({ width, height: width < 600 ? 800 : 900 });
  }

  async widthNeeded(): Promise<number> {
    return (await this.page.evaluate('document.documentElement.scrollWidth')) as number;
  }
}
