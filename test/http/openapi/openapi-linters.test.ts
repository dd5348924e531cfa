/** The document passes the recommended rules of two linters that know nothing of what made it. */
import type { OrderAppOptions } from 'order-processor/http';
import { describe, expect, it } from 'vitest';
import { appOf, type Json } from '../helpers.ts';

// Without their types, which need the types of half a hundred packages.
const load = (name: string): Promise<Json> => import(name);

async function documentOf(options: OrderAppOptions): Promise<string> {
  return (await appOf({}, options).get('/openapi.json')).text();
}

/** All findings of each, of every severity. */
const linters: Readonly<Record<string, (document: string) => Promise<string[]>>> = {
  Redocly: async (source) => {
    const { createConfig, lintFromString } = await load('@redocly/openapi-core');
    const config = await createConfig({ extends: ['recommended'] });
    const problems: Json[] = await lintFromString({ source, config });
    return problems.map(({ ruleId, message }) => `${ruleId}: ${message}`);
  },
  Spectral: async (source) => {
    const { default: core } = await load('@stoplight/spectral-core');
    const { default: rulesets } = await load('@stoplight/spectral-rulesets');
    const spectral = new core.Spectral();
    spectral.setRuleset({ extends: [[rulesets.oas, 'recommended']] });
    const problems: Json[] = await spectral.run(JSON.parse(source));
    return problems.map(({ code, message, path }) => `${code}: ${message} ${path.join('.')}`);
  },
};

/** What only a host can say. */
const openapi = {
  license: { name: 'MIT', identifier: 'MIT' },
  contact: { name: 'The shop', url: 'https://shop.example/help' },
};
const own = {
  ...openapi,
  title: 'Meals',
  description: 'Orders of meals.',
  servers: [{ url: 'https://shop.example/api', description: 'The real one' }],
  securitySchemes: { session: { type: 'apiKey', in: 'cookie', name: 'session' } },
  payload: { type: 'object', properties: { dish: { type: 'string' } }, required: ['dish'] },
};
const authenticate = (): undefined => undefined;
const metrics = { contentType: 'text/plain', metrics: async () => '' };

describe.each(Object.entries(linters))('%s has nothing against the document', (_, lint) => {
  it.each<[string, OrderAppOptions]>([
    ['without credentials', { openapi }],
    ['with credentials and metrics', { openapi, authenticate, metrics }],
    ['with all that a host may say', { openapi: own, authenticate, metrics }],
  ])('%s', async (_name, options) => {
    expect(await lint(await documentOf(options))).toEqual([]);
  });

  it('but that a host has not named a licence, or whom to ask', async () => {
    const problems = await lint(await documentOf({ authenticate }));
    expect(problems).toEqual([expect.stringMatching(/^info-(license|contact): /)]);
  });
});
