/** The settings of examples/services/service: what they are by default, what is refused, and how that is said. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bearer } from 'order-processor/http';
import { describe, expect, it } from 'vitest';
import {
  names,
  readSettings,
  SettingsError,
} from '../../../../examples/services/service/settings.ts';

const token = 'client-token-0123';
const readme = readFileSync(
  join(import.meta.dirname, '../../../../examples/services/service/README.md'),
  'utf8',
);

function problemsOf(env: Record<string, string>): string[] {
  try {
    readSettings(env);
  } catch (error) {
    if (error instanceof SettingsError) return error.message.split('\n');
    throw error;
  }
  return [];
}

describe('the settings of the service', () => {
  it('are in the table of its README, each with its default', () => {
    const rows = [...readme.matchAll(/^\| `([A-Z_]+)` \| `?(.*?)`? \| .+ \|$/gm)];
    const told = rows.map(([, name, value]) => [name, value]);
    const defaults = Object.entries(readSettings({})).map(([name, value]) => [
      name,
      Array.isArray(value) || value === '' ? 'none' : String(value),
    ]);
    expect(told).toEqual(defaults);
    expect(names).toEqual(defaults.map(([name]) => name));
  });

  it('are the defaults where a variable is empty', () => {
    const empty = Object.fromEntries(names.map((name) => [name, '']));
    expect(readSettings(empty)).toEqual(readSettings({}));
  });

  it.each([
    ['PORT', 'http', 'an integer from 0 to 65535'],
    ['PORT', '65536', 'an integer from 0 to 65535'],
    ['PORT', '-1', 'an integer from 0 to 65535'],
    ['PORT', '80.5', 'an integer from 0 to 65535'],
    ['PORT', ' 80', 'an integer from 0 to 65535'],
    ['PORT', '0x50', 'an integer from 0 to 65535'],
    ['GRPC_PORT', '1e3', 'an integer from 0 to 65535'],
    ['CONCURRENCY', '0', 'an integer from 1 to 10000'],
    ['RETAIN_DAYS', '0', 'an integer from 1 to 36500'],
    ['ALLOW_ANONYMOUS', 'yes', 'true or false'],
    ['DURABILITY', 'none', 'full or relaxed'],
    ['LOG_LEVEL', 'verbose', 'debug, info, warn or error'],
    ['STORAGE', 'sqlite', 'file or postgres'],
    ['MIGRATE', 'yes', 'true or false'],
  ])('refuse %s=%s', (name, text, expected) => {
    const problem = `Expected ${name} to be ${expected}, got ${JSON.stringify(text)}`;
    expect(problemsOf({ [name]: text })).toEqual([problem]);
  });

  it('name everything that is wrong at once', () => {
    expect(problemsOf({ PORT: 'x', LOG_LEVEL: 'y', CAPACITY: 'z' })).toHaveLength(3);
  });

  it('never show a token', () => {
    for (const name of ['CLIENT_TOKENS', 'OPERATOR_TOKENS']) {
      const [problem, ...others] = problemsOf({ [name]: `${token},short` });
      expect(others).toEqual([]);
      expect(problem).toMatch(new RegExp(`^Expected ${name} to be tokens of 16 characters`));
      expect(problem).not.toMatch(/short,|client-token|got/);
    }
  });

  it('never show the password of the database', () => {
    const [problem, ...others] = problemsOf({ DATABASE_URL: 'mysql://app:secret@db/shop' });
    expect(others).toEqual([]);
    expect(problem).toMatch(/^Expected DATABASE_URL to be postgres:/);
    expect(problem).not.toMatch(/secret|got/);
  });

  it('take several tokens, all of them such as `bearer` takes', () => {
    const shortest = '0123456789abcdef';
    const { CLIENT_TOKENS } = readSettings({ CLIENT_TOKENS: `${token},${shortest},` });
    expect(CLIENT_TOKENS).toEqual([token, shortest]);
    const ofFile = readSettings({ CLIENT_TOKENS: `${token}\r\n${shortest}\n` });
    expect(ofFile.CLIENT_TOKENS).toEqual([token, shortest]);
    expect(() => bearer({ [shortest]: { users: 'all' } })).not.toThrow();
    expect(problemsOf({ CLIENT_TOKENS: shortest.slice(1) })).toHaveLength(1);
  });

  it.each(['0.0.0.0', '::', '192.0.2.1', 'example.org', '127.example.org'])(
    'let nobody else in without tokens: HOST=%s',
    (HOST) => {
      expect(problemsOf({ HOST })).toEqual([
        expect.stringContaining('Expected CLIENT_TOKENS to be set'),
      ]);
      expect(problemsOf({ HOST, CLIENT_TOKENS: token })).toEqual([]);
      expect(problemsOf({ HOST, ALLOW_ANONYMOUS: 'true' })).toEqual([]);
    },
  );

  it.each(['127.0.0.1', '127.0.0.2', '::1', 'localhost'])(
    'let this machine in without tokens: HOST=%s',
    (HOST) => expect(problemsOf({ HOST })).toEqual([]),
  );

  it.each([
    [{ OPERATOR_TOKENS: token }, 'CLIENT_TOKENS to be set beside OPERATOR_TOKENS'],
    [{ CLIENT_TOKENS: token, ALLOW_ANONYMOUS: 'true' }, 'ALLOW_ANONYMOUS to be false'],
    [{ CLIENT_TOKENS: token, OPERATOR_TOKENS: token }, 'OPERATOR_TOKENS to have none of'],
    [{ DATABASE_URL: 'postgres://db/shop' }, 'STORAGE to be postgres beside DATABASE_URL'],
    [{ PORT: '9000', GRPC_PORT: '9000' }, 'GRPC_PORT to be another port than PORT'],
    [{ PORT: '9000', PROBE_PORT: '9000' }, 'PROBE_PORT to be another port than PORT'],
    [{ PORT: '9000', DASHBOARD_PORT: '9000' }, 'DASHBOARD_PORT to be a port of its own'],
    [{ ORDER_TIMEOUT_MS: '15001' }, 'SHUTDOWN_TIMEOUT_MS to be at least twice ORDER_TIMEOUT_MS'],
  ])('refuse what contradicts itself: %o', (env, problem) => {
    expect(problemsOf(env)).toEqual([expect.stringContaining(`Expected ${problem}`)]);
  });
});
