import type * as z from 'zod';
import {
  checkInteger,
  checkMethods,
  checkOptions,
  checkTimeout,
} from '../../core/runtime/checks.ts';
import { badRequest, HttpError } from '../../server/http-error.ts';
import { ByteBuffer } from '../../server/listening/byte-buffer.ts';
import { check } from '../openapi/input-schemas.ts';
import { inTime } from './request-timeouts.ts';
import { parseStrictly } from './strict-json.ts';

/**
 * What {@link readJson} takes beside the request.
 *
 * @typeParam T - what the schema makes of the value
 */
export interface ReadJsonOptions<T = unknown> {
  /** What the value must be, as a schema of Zod; anything by default. */
  readonly schema?: z.ZodType<T> | undefined;
  /** How long the body may be, in bytes: an integer from 1 up, 1 048 576 (1 MiB) by default. */
  readonly bodyLimitBytes?: number | undefined;
  /** How long the body may take to come, in milliseconds: an integer from 1 up, 30 000 by default. */
  readonly readTimeoutMs?: number | undefined;
}

export const defaultBodyLimitBytes = 1_048_576;
export const defaultReadTimeoutMs = 30_000;

/**
 * A body of up to so many bytes is read as a whole, which is cheaper than a stream. Bridges to Node keep each piece
 * of it meanwhile, with some 300 bytes of their own, and a piece may be one byte.
 */
const longestWhole = 4_096;

/** A body, or a line of a batch, is refused in more pieces than these and than one for each 16 bytes of its limit. */
const mostPieces = 65_536;

const jsonType = /^application\/(?:[\w.+-]+\+)?json$/i;
const token = "[\\w!#$%&'*+.^`|~-]+";
const quoted = String.raw`"(?:[^"\\]|\\.)*"`;
/** As RFC 9110 has them: `; name=value`, and empty ones. */
const parametersForm = new RegExp(`^(?:;\\s*(?:${token}=(?:${token}|${quoted})\\s*)?)*$`);
const otherCharset = /;\s*charset=(?!"?utf-?8"?\s*(?:;|$))/i;
const linesType = /^application\/(?:x-)?(?:ndjson|jsonl|json-lines)$/i;
/** The parser ignores a byte order mark, so that it means the same however the text was decoded. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads a request's body as exactly one JSON value, and refuses what clients may send instead: another
 * content type or encoding, too much of it, too slowly, no UTF-8, something after the value, `__proto__` as a
 * key, a number that has more digits than JavaScript can hold; and what does not fit the schema.
 *
 * @typeParam T - what the schema makes of the value; `unknown` without one
 * @param request - its body must not have been read
 * @param options - the schema and the limits
 * @returns rejects with an {@link HttpError}: `bad_request` (of the schema, with its `issues`),
 *   `request_timeout`, `content_too_large` or `unsupported_media_type`; with what the schema throws itself
 */
export async function readJson<T = unknown>(
  request: Request,
  options: ReadJsonOptions<T> = {},
): Promise<T> {
  checkOptions('readJson', options, ['schema', 'bodyLimitBytes', 'readTimeoutMs']);
  const { schema } = options;
  if (schema !== undefined) checkMethods('schema', schema, ['safeParse']);
  const { bodyLimitBytes = defaultBodyLimitBytes, readTimeoutMs = defaultReadTimeoutMs } = options;
  checkInteger('bodyLimitBytes', bodyLimitBytes, 1);
  checkTimeout('readTimeoutMs', readTimeoutMs);
  const value = await readStrictly(request, bodyLimitBytes, readTimeoutMs);
  return schema === undefined ? (value as T) : check(schema, value, 'bad_request');
}

/** As `readJson`, with limits that have been checked. */
export async function readStrictly(
  request: Request,
  limitBytes: number,
  timeoutMs: number,
): Promise<unknown> {
  checkType(request, jsonType, 'application/json');
  return parseStrictly(await inTime(request, timeoutMs, tooSlow, readText(request, limitBytes)));
}

/** @throws HttpError unless the body is lines of JSON in UTF-8 */
export function checkIsLines(request: Request): void {
  checkType(request, linesType, 'application/x-ndjson');
}

export function tooSlow(): HttpError {
  return new HttpError(408, 'request_timeout', 'The body did not come in time', {
    headers: { connection: 'close' },
  });
}

export function tooLarge(what: string, limitBytes: number): HttpError {
  return new HttpError(413, 'content_too_large', `${what} has more than ${limitBytes} bytes`);
}

/** @throws HttpError for what is no UTF-8 */
export function textOf(bytes: ArrayBuffer | Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Any other error, of a text that is too long for a string for example, is not the client's.
    throw code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? badRequest('Expected UTF-8') : error;
  }
}

function checkType({ headers }: Request, form: RegExp, name: string): void {
  const contentType = headers.get('content-type') ?? '';
  if (contentType !== name) checkUnusualType(contentType, form, name);
  const encoding = headers.get('content-encoding');
  if (encoding !== null && encoding.toLowerCase() !== 'identity') {
    throw new HttpError(415, 'unsupported_media_type', 'Expected no content encoding');
  }
}

/**
 * Checks a content type with parameters, capitals or spaces, which is slow; most have none. JSON is always UTF-8, so only
 * a parameter with another charset is refused (RFC 8259, section 11).
 */
function checkUnusualType(contentType: string, form: RegExp, name: string): void {
  const [, type = '', parameters = ''] = /^\s*([^\s;]+)\s*(.*)$/s.exec(contentType) ?? [];
  if (!form.test(type) || !parametersForm.test(parameters) || otherCharset.test(parameters)) {
    throw new HttpError(415, 'unsupported_media_type', `Expected the content type ${name}`, {
      headers: { accept: name },
    });
  }
}

async function readText(request: Request, limitBytes: number): Promise<string> {
  if (request.bodyUsed)
    throw new Error('The body has been read already; is there a body parser before this?');
  const { headers } = request;
  const length = headers.has('transfer-encoding') ? null : headers.get('content-length');
  if (length !== null && Number(length) > limitBytes) throw tooLarge('The body', limitBytes);
  // Servers hold a body to its length.
  const isShort = length !== null && Number(length) <= longestWhole;
  if (isShort) return textOf(await unlessCut(request.arrayBuffer()));
  return request.body === null
    ? ''
    : textOf(await readPieces(request.body.getReader(), limitBytes));
}

/** The result of a read. It fails if the connection does; what is done with the result fails elsewhere. */
async function unlessCut<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (cause) {
    throw new HttpError(400, 'bad_request', 'The body ended before it was whole', { cause });
  }
}

async function readPieces(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  limitBytes: number,
): Promise<Uint8Array> {
  const bytes = new ByteBuffer();
  try {
    for (;;) {
      const { done, value } = await unlessCut(reader.read());
      if (done) return bytes.take();
      if (!(value instanceof Uint8Array)) throw new TypeError('Expected a body of bytes');
      bytes.append(value);
      if (bytes.length > limitBytes) throw tooLarge('The body', limitBytes);
      if (hasTooManyPieces(bytes, limitBytes)) {
        throw new HttpError(413, 'content_too_large', 'The body came in too many pieces');
      }
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    throw error;
  }
}

/** @param limitBytes - of the body, or of a line */
export function hasTooManyPieces({ pieces }: ByteBuffer, limitBytes: number): boolean {
  return pieces > mostPieces && pieces > limitBytes / 16;
}
