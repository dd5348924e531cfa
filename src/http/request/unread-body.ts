import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * Cuts a connection whose request was answered before all of its body came, if the rest does not come in time: an app
 * bounds what it reads itself, and Node reads the rest however slowly it comes.
 */
export function cutUnread(
  request: IncomingMessage,
  response: ServerResponse,
  limitMs: number,
): void {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  if (encoding === undefined && (length === undefined || length === '0')) return;
  // Not `finish`, which is not emitted while the client does not read its answer.
  response.once('prefinish', () => {
    if (request.complete) return;
    const timer = setTimeout(() => request.complete || request.socket.destroy(), limitMs).unref();
    request.once('close', () => clearTimeout(timer));
  });
}
