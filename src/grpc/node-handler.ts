import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';

/** Answers the requests of both protocols. */
export type NodeHandler = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => void;

/** A handler of ConnectRPC, which throws at what it takes for impossible: strangers send that too. */
export function guarded(handler: NodeHandler): NodeHandler {
  return (request, response) => {
    try {
      handler(request, response);
    } catch {
      // No host, or one that is none.
      response.statusCode = 400;
      response.end();
    }
  };
}
