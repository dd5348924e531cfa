/** The dashboard's page in a browser, in short; all of it is in `page-screens.test.ts` and `page-actions.test.ts`. */
import { expect, it } from 'vitest';
import { hasBrowser, launchBrowser } from '../kit/browser.ts';
import { OpenedPage, serveDashboard } from './kit/opened-page.ts';
import { fillShop, openShop } from './kit/shop.ts';

it.skipIf(!hasBrowser)(
  'shows what needs attention after a handful of requests, and no browser complains',
  async () => {
    const shop = openShop();
    const server = await serveDashboard(shop.processor);
    const [browser] = await Promise.all([launchBrowser(), fillShop(shop)]);
    try {
      const opened = await OpenedPage.open(browser, server.page);
      await opened.show('attention', 'vendor_unavailable');
      const requests = await opened.page.evaluate(
        "performance.getEntriesByType('resource').length",
      );
      expect(requests).toBeLessThan(8);
      await opened.show('user?id=ann', 'Statement');
      await opened.sees('ann-5');
      expect(opened.complaints).toEqual([]);
    } finally {
      await browser.close();
      await server.close();
      await shop.processor.shutdown({ timeoutMs: 1 });
    }
  },
  30_000,
);
