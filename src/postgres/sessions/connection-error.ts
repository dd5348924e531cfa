import type { ClientConfig } from 'pg';
import { sqlStateOf } from './errors.ts';

/** What was tried, as a `Client` of `pg` has it. */
interface Target {
  readonly host: string;
  readonly port: number;
  readonly database?: string | undefined;
  readonly user?: string | undefined;
}

const changed =
  'something of the schema was changed by hand: compare it with what `order-processor-postgres sql` prints, and change it back';

/** What to do, by PostgreSQL's codes. */
const advice: Readonly<Record<string, string>> = {
  '25006': 'the database is read-only, as a standby is: connect to the primary',
  '28000': 'see `pg_hba.conf` of the server, and whether it asks for TLS',
  '28P01': 'see the user and the password',
  '3D000': 'make the database first',
  '42501': 'grant the role what `order-processor-postgres grants` prints',
  // Columns, types, functions, tables, unique indexes.
  ...{ '42703': changed, '42804': changed, '42883': changed, '42P01': changed, '42P10': changed },
  '53300': 'each processor has up to seven connections: raise `max_connections`, or run fewer',
};

/** Says what to do about an error, where that is known. Keeps its code. */
export function explained(error: Error): Error {
  const hint = advice[sqlStateOf(error)];
  if (hint !== undefined && !error.message.includes(hint)) error.message += ` (${hint})`;
  return error;
}

/**
 * Why no session could be opened, and which one was tried.
 *
 * @param target - unless the options could not be read
 */
export function connectionError(error: unknown, config: ClientConfig, target?: Target): Error {
  const failure = withoutPassword(error, config);
  const code = sqlStateOf(failure);
  // An error of the server has a code of its own, one of the network begins with E.
  const what = /^[0-9]/.test(code) ? 'refused the session' : 'could not be reached';
  if (mayShowPassword(config)) {
    const why = code === '' ? '' : ` (${code})`;
    failure.message = `The PostgreSQL of \`connectionString\` ${what}${why}: ${percentEncoded}`;
  } else if (target === undefined) {
    failure.message = `The options of PostgreSQL could not be read: ${failure.message}`;
  } else {
    const { host, port, database, user } = target;
    const name = withoutPasswordIn(`${host}:${port} (database ${database}, user ${user})`, config);
    failure.message = `PostgreSQL at ${name} ${what}: ${failure.message}`;
  }
  return explained(failure);
}

/** An error of the database that shows no password, whatever its message quotes. Keeps the code of the original. */
export function withoutPassword(error: unknown, config: ClientConfig): Error {
  const { message, code } = detailsOf(error);
  const shown = withoutPasswordIn(message, config);
  return Object.assign(new Error(shown), code === undefined ? {} : { code });
}

const percentEncoded =
  'it has an `@` behind a `/`, `?` or `#`; in a user and a password write these as %40, %2F, %3F and %23';

/**
 * Whether what follows the user may be a part of the password: a `/`, `?` or `#` of it ends the host and the port for `pg`,
 * so that parts of the password are taken for the host, the port and the database.
 */
function mayShowPassword({ connectionString = '' }: ClientConfig): boolean {
  return /^[^:]*:\/\/[^/?#]*[/?#].*@/s.test(connectionString);
}

function detailsOf(error: unknown): { message: string; code: string | undefined } {
  // An address with several IPs fails with one error for each.
  const [first] = error instanceof AggregateError ? error.errors : [error];
  const { code } = first as { code?: unknown };
  return {
    message: first instanceof Error ? first.message : String(first),
    code: typeof code === 'string' ? code : undefined,
  };
}

/** Shorter ones are in any text by chance. */
const leastReplaced = 4;

function withoutPasswordIn(text: string, config: ClientConfig): string {
  return passwordsOf(config)
    .filter(({ length }) => length >= leastReplaced)
    .reduce((shown, each) => shown.replaceAll(each, '***'), text);
}

function passwordsOf({ password, connectionString }: ClientConfig): string[] {
  // The user's name ends at the first colon, and the password at the last @ before the host.
  const quoted = /^[^:]*:\/\/[^:@/]*:(.+)@/.exec(connectionString ?? '')?.[1];
  return [typeof password === 'string' ? password : '', quoted ?? '', decoded(quoted) ?? ''];
}

function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
