import { inspect } from 'node:util';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Session } from '../../../src/postgres/sessions/session.ts';

/** No message, and no part of a stack, has one of these. */
const letters = [...'ЖЩЮ€💶'];
const others = [...'/?#@:%&=+[]\\\'"<>|^{}~!$*();,. 3456'];

const password = fc
  .array(fc.oneof(fc.constantFrom(...letters), fc.constantFrom(...others)), {
    minLength: 1,
    maxLength: 12,
  })
  .map((parts) => parts.join(''));

const place = fc.constantFrom('127.0.0.1:1/orders', 'localhost:1', '127.0.0.1:1/orders?ssl=0');

const written = {
  asItIs: (text: string) => text,
  encoded: encodeURIComponent,
};

async function errorOf(config: object): Promise<Error> {
  const given = { connectionTimeoutMillis: 500, ...config };
  const session = await Session.open(given, 'SELECT 1', () => {}).catch((error) => error);
  expect(session).toBeInstanceOf(Error);
  return session;
}

it('invariant 10: no part of a password is in an error, however it is written in a connection string', {
  timeout: 60_000,
}, async () => {
  const property = fc.asyncProperty(
    ...[password, place, fc.constantFrom(...Object.values(written))],
    async (secret, at, write) => {
      const error = await errorOf({
        connectionString: `postgres://127.0.0.1:${write(secret)}@${at}`,
      });
      const text = inspect(error, { depth: 9, showHidden: true });
      for (const letter of letters) {
        for (const shown of [letter, encodeURIComponent(letter), JSON.stringify(letter)]) {
          expect(text).not.toContain(shown);
        }
      }
      // Digits are in hosts and codes too: those of a password are between its other characters.
      for (const [part] of secret.matchAll(/[3-6]{2,}/g)) {
        expect(error.message.replace(/\(\w+\)/, '')).not.toContain(part);
      }
    },
  );
  await fc.assert(property, { numRuns: 150 });
});

it.each([
  ['postgres://127.0.0.1:3333/ЖЖ@127.0.0.1/orders', /^The PostgreSQL of `connectionString` .*%2F/],
  ['postgres://127.0.0.1:ЖЖ#3@127.0.0.1:1/orders', /^The PostgreSQL of `connectionString` .*%23/],
  ['postgres://me:Ж@Ж@127.0.0.1:1/orders', /^PostgreSQL at 127\.0\.0\.1:1 .*ECONNREFUSED/],
  ['postgres://me:ЖЖЖЖ@127.0.0.1:1/ЖЖЖЖ', /^PostgreSQL at 127\.0\.0\.1:1 \(database \*\*\*/],
])('the error of %s says what was tried, or what to write', async (connectionString, message) => {
  const error = await errorOf({ connectionString });
  expect(error.message).toMatch(message);
  expect(error.message).not.toContain('Ж');
});
