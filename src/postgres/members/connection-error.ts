import type { ClientConfig } from 'pg';

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
