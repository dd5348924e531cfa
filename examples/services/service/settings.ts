import { isIP } from 'node:net';
import { z } from 'zod';

/** So that a variable that is empty, or a word, is no token; `bearer` says the same. */
const token = /^[\w.~+/=-]{16,}$/;

const isFlag = z.enum(['true', 'false'], { error: 'true or false' });

/** Every variable, with its default. The table in README.md says what each is for. */
const variables = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: integer(8080, 0, 65_535),
  GRPC_PORT: integer(50_051, 0, 65_535),
  PROBE_PORT: integer(8081, 0, 65_535),
  DASHBOARD_PORT: integer(8082, 0, 65_535),
  MAX_CONNECTIONS: integer(100, 1),
  MAX_CALLS_PER_CONNECTION: integer(50, 1),
  KEEP_ALIVE_MS: integer(65_000, 1, 3_600_000),
  BODY_LIMIT_KB: integer(32, 1, 1_048_576),
  CLIENT_TOKENS: tokens(),
  OPERATOR_TOKENS: tokens(),
  ALLOW_ANONYMOUS: isFlag.default('false').transform((text) => text === 'true'),
  STORAGE: z.enum(['file', 'postgres'], { error: 'file or postgres' }).default('file'),
  DATA_DIR: z.string().default('data'),
  DURABILITY: z.enum(['full', 'relaxed'], { error: 'full or relaxed' }).default('full'),
  MAX_FILE_MB: integer(4_096, 1, 1_048_576),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, { error: 'postgres://USER:PASSWORD@HOST:PORT/DATABASE' })
    .or(z.literal(''))
    .default(''),
  DATABASE_SCHEMA: z.string().default('order_processor'),
  MIGRATE: isFlag.default('true').transform((text) => text === 'true'),
  RETAIN_DAYS: integer(30, 1, 36_500),
  CONCURRENCY: integer(16, 1, 10_000),
  CAPACITY: integer(10_000, 1),
  CAPACITY_PER_USER: integer(1_000, 1),
  MIN_BALANCE: integer(0, -1_000_000_000_000),
  MAX_AMOUNT: integer(1_000_000, 1),
  ORDER_TIMEOUT_MS: integer(10_000, 1, 3_600_000),
  SHUTDOWN_TIMEOUT_MS: integer(30_000, 1, 3_600_000),
  LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error'], { error: 'debug, info, warn or error' })
    .default('info'),
});

/** Each setting has the name of its variable, so that a search for the name finds its use. */
export type Settings = z.infer<typeof variables>;

export const names = Object.keys(variables.shape);

/** What is wrong with the environment, a line for each variable. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/** @throws SettingsError with all that is wrong */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  // What is set to nothing is not set, as in a file of variables or a chart with an empty value.
  const given = Object.fromEntries(names.map((name) => [name, env[name] || undefined]));
  const { success, data, error } = variables.safeParse(given);
  const problems = success
    ? contradictions(data)
    : error.issues.map(({ path: [name], message }) => lineOf(String(name), message, given));
  if (data === undefined || problems.length > 0) throw new SettingsError(problems.join('\n'));
  return data;
}

function lineOf(name: string, expected: string, given: Record<string, string | undefined>): string {
  // A token is not for the log, nor is a password.
  const isSecret = name.endsWith('_TOKENS') || name === 'DATABASE_URL';
  const got = isSecret ? '' : `, got ${JSON.stringify(given[name])}`;
  return `Expected ${name} to be ${expected}${got}`;
}

function* eachContradiction(settings: Settings): Generator<string> {
  const { HOST, CLIENT_TOKENS, OPERATOR_TOKENS, ALLOW_ANONYMOUS } = settings;
  if (CLIENT_TOKENS.length === 0 && !ALLOW_ANONYMOUS && !isLoopback(HOST)) {
    yield `Expected CLIENT_TOKENS to be set, since others than this machine reach HOST ${HOST}; ALLOW_ANONYMOUS=true lets every client do everything`;
  }
  if (CLIENT_TOKENS.length === 0 && OPERATOR_TOKENS.length > 0) {
    yield 'Expected CLIENT_TOKENS to be set beside OPERATOR_TOKENS, since no client could hand in orders';
  }
  if (ALLOW_ANONYMOUS && CLIENT_TOKENS.length > 0) {
    yield 'Expected ALLOW_ANONYMOUS to be false beside CLIENT_TOKENS, which would protect nothing';
  }
  if (CLIENT_TOKENS.some((each) => OPERATOR_TOKENS.includes(each))) {
    yield 'Expected OPERATOR_TOKENS to have none of CLIENT_TOKENS, which may do all that and more';
  }
  if (settings.DATABASE_URL !== '' && settings.STORAGE === 'file') {
    yield 'Expected STORAGE to be postgres beside DATABASE_URL, which a file has no use for';
  }
  const { PORT, GRPC_PORT, PROBE_PORT, DASHBOARD_PORT } = settings;
  if (PORT === GRPC_PORT && PORT !== 0) {
    yield `Expected GRPC_PORT to be another port than PORT, got ${PORT} for both`;
  }
  if ([PORT, GRPC_PORT].includes(PROBE_PORT) && PROBE_PORT !== 0) {
    yield `Expected PROBE_PORT to be another port than PORT and GRPC_PORT, got ${PROBE_PORT}`;
  }
  if ([PORT, GRPC_PORT, PROBE_PORT].includes(DASHBOARD_PORT) && DASHBOARD_PORT !== 0) {
    yield `Expected DASHBOARD_PORT to be a port of its own, got ${DASHBOARD_PORT}`;
  }
  const { ORDER_TIMEOUT_MS, SHUTDOWN_TIMEOUT_MS } = settings;
  // Half of it is for requests; an order that began before must not be canceled by the end.
  if (SHUTDOWN_TIMEOUT_MS < 2 * ORDER_TIMEOUT_MS) {
    yield `Expected SHUTDOWN_TIMEOUT_MS to be at least twice ORDER_TIMEOUT_MS (${ORDER_TIMEOUT_MS}), got ${SHUTDOWN_TIMEOUT_MS}`;
  }
}

function contradictions(settings: Settings): string[] {
  return [...eachContradiction(settings)];
}

/** A name, too, may mean anything but for this one. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function integer(fallback: number, least: number, most = 1_000_000_000_000) {
  const isWithin = (text: string): boolean =>
    /^-?\d{1,13}$/.test(text) && Number(text) >= least && Number(text) <= most;
  return z
    .string()
    .refine(isWithin, { error: `an integer from ${least} to ${most}` })
    .default(String(fallback))
    .transform(Number);
}

/** Several, so that a new one can be known before an old one is forgotten. */
function tokens() {
  return (
    z
      .string()
      .default('')
      // A file of tokens ends with a newline, and a secret that is made of it has that, too.
      .transform((text) => text.split(/[,\r\n]/).map((each) => each.trim()))
      .transform((all) => all.filter((each) => each !== ''))
      .refine((all) => all.every((each) => token.test(each)), {
        error:
          'tokens of 16 characters or more (letters, digits, . _ ~ + / = -), with commas between',
      })
  );
}
