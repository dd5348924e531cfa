import { type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpErrorCode } from '../http-error.ts';
import { secure } from './secure-headers.ts';

interface Refusal {
  readonly status: number;
  readonly code: HttpErrorCode;
  readonly detail: string;
}

const refusals: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: 'headers_too_large',
    detail: 'The headers are too large',
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: 413,
    code: 'content_too_large',
    detail: 'The extensions of the chunks are too large',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: 'request_timeout',
    detail: 'The request did not come in time',
  },
};

const malformed: Refusal = { status: 400, code: 'bad_request', detail: 'Expected HTTP/1.1' };

/** Makes a server answer what Node's parser refuses with a problem, like every other error. */
export function answerParserErrors(server: Server): void {
  server.on('clientError', ({ code = '' }: NodeJS.ErrnoException, socket: Socket) => {
    if (socket.writable && !hasBegunToAnswer(socket)) {
      const { status, ...problem } = refusals[code] ?? malformed;
      socket.write(responseOf(status, problem));
    }
    socket.destroySoon();
  });
  server.on('checkExpectation', (_request, response: ServerResponse) => {
    const detail = 'Expected no other `Expect` than `100-continue`';
    refuse(response, 417, { code: 'bad_request', detail });
  });
}

/** Answers a request with a problem, and closes its connection. */
export function refuse(
  response: ServerResponse,
  status: number,
  problem: Pick<Refusal, 'code' | 'detail'>,
): void {
  const body = bodyOf(status, problem);
  response.writeHead(status, headersOf(body));
  response.end(body);
}

/** As Node itself finds out: a second head would be taken for a part of the body. */
function hasBegunToAnswer(socket: Socket): boolean {
  const { _httpMessage: response } = socket as { _httpMessage?: ServerResponse | null };
  return response?.headersSent === true;
}

function responseOf(status: number, problem: Pick<Refusal, 'code' | 'detail'>): string {
  const body = bodyOf(status, problem);
  const lines = Object.entries(headersOf(body)).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n');
}

function bodyOf(status: number, { code, detail }: Pick<Refusal, 'code' | 'detail'>): string {
  const title = STATUS_CODES[status];
  return JSON.stringify({ type: 'about:blank', title, status, detail, code });
}

function headersOf(body: string): Record<string, string> {
  return {
    ...secure,
    'content-type': 'application/problem+json',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  };
}
