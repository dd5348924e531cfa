/** A quoted string, a token or a delimiter; a quote alone is one without its other. */
const part = /"(?:[^"\\]|\\.)*"|[^\s",;=]+|[",;=]/g;

/**
 * The time that `Prefer: wait=N` asks for, in milliseconds; 0 without it, or if it cannot be parsed. Of several, the
 * first counts. Other preferences, their parameters and quoted strings are ignored.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc7240#section-2 | RFC 7240}
 */
export function preferredWaitMs(header: string): number {
  let preference: string[] = [];
  for (const [text] of `${header},`.matchAll(part)) {
    if (text === '"') break;
    if (text !== ',') preference.push(text);
    else if (preference[0]?.toLowerCase() === 'wait') return msOf(preference);
    else preference = [];
  }
  return 0;
}

function msOf([, equals, value = '', next = ';']: readonly string[]): number {
  const [, seconds = '0'] = /^(?:"(?=\d+"$))?(\d{1,15})"?$/.exec(value) ?? [];
  return equals === '=' && next === ';' ? Number(seconds) * 1_000 : 0;
}
