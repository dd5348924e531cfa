import type { ClientConfig } from 'pg';
import { sqlStateOf } from './errors.ts';

/** What was tried, as a `Client` of `pg` has it. */
interface Target {
  readonly host: string;
  readonly port: number;
  readonly database?: string | undefined;
  readonly user?: string | undefined;
}

/** What to do, by PostgreSQL's codes. */
const advice: Readonly<Record<string, string>> = {
  '25006': 'the database is read-only, as a standby is: connect to the primary',
  '28000': 'see `pg_hba.conf` of the server, and whether it asks for TLS',
  '28P01': 'see the user and the password',
  '3D000': 'make the database first',
  '42501': 'grant the role what `order-processor-postgres grants` prints',
  '53300': 'each processor has up to seven connections: raise `max_connections`, or run fewer',
};

/** Says what to do about an error, where that is known. Keeps its code. */
export function explained(error: Error): Error {
  const hint = advice[sqlStateOf(error)];
  if (hint !== undefined && !error.message.includes(hint)) error.message += ` (${hint})`;
  return error;
}

/** Why no session could be opened, and which one was tried. */
export function connectionError(
  error: unknown,
  config: ClientConfig,
  { host, port, database, user }: Target,
): Error {
  const failure = withoutPassword(error, config);
  // An error of the server has a code of its own, one of the network begins with E.
  const what = /^[0-9]/.test(sqlStateOf(failure)) ? 'refused the session' : 'could not be reached';
  const target = `PostgreSQL at ${host}:${port} (database ${database}, user ${user})`;
  failure.message = `${target} ${what}: ${failure.message}`;
  return explained(failure);
}

/** An error of the database that shows no password, whatever its message quotes. Keeps the code of the original. */
export function withoutPassword(error: unknown, config: ClientConfig): Error {
  const { message, code } = detailsOf(error);
  const shown = passwordsOf(config).reduce((text, each) => text.replaceAll(each, '***'), message);
  return Object.assign(new Error(shown), code === undefined ? {} : { code });
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

function passwordsOf({ password, connectionString }: ClientConfig): string[] {
  // The user's name ends at the first colon, and the password at the last @ before the host.
  const quoted = /^[^:]*:\/\/[^:@/]*:(.+)@/.exec(connectionString ?? '')?.[1];
  const found = [typeof password === 'string' ? password : '', quoted ?? '', decoded(quoted) ?? ''];
  return found.filter((each) => each !== '');
}

function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
