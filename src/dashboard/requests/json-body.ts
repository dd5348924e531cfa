import { badRequest, HttpError } from '../../server/http-error.ts';

/** A thousand ids of the greatest length, escaped. */
const mostBytes = 2_097_152;
const mostMs = 30_000;

/** @throws HttpError */
export async function jsonBody(request: Request): Promise<unknown> {
  // A form of another origin cannot have this type without asking first.
  if (!/^application\/json *(;|$)/i.test(request.headers.get('content-type') ?? '')) {
    throw new HttpError(415, 'unsupported_media_type', 'Expected `content-type: application/json`');
  }
  const bytes = await bodyOf(request);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw badRequest('Expected one JSON value in UTF-8');
  }
}

async function bodyOf({ body }: Request): Promise<Uint8Array> {
  if (body === null) throw badRequest('Expected a body');
  const reader = body.getReader();
  const late = setTimeout(() => void reader.cancel().catch(() => {}), mostMs);
  const pieces: Uint8Array[] = [];
  let size = 0;
  const startedAt = performance.now();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (performance.now() - startedAt >= mostMs) {
        throw new HttpError(408, 'request_timeout', 'The body did not come in time');
      }
      if (done) return Buffer.concat(pieces);
      size += value.byteLength;
      if (size > mostBytes) {
        void reader.cancel().catch(() => {});
        throw new HttpError(413, 'content_too_large', `Expected at most ${mostBytes} bytes`);
      }
      pieces.push(value);
    }
  } finally {
    clearTimeout(late);
  }
}
