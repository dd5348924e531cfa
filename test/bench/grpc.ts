import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import { SubmitOrderRequestSchema } from 'order-processor/grpc';
import { start } from './http.ts';
import { perSecond } from './loops.ts';

const sessions = 4;
const callsPerSession = 16;
const calls = 20_000;
const users = 1_000;

/** `SubmitOrder` over gRPC: a closed loop, by as little of a client as there can be. */
export function callsOverGrpc(contender: string): () => Promise<number> {
  const started = start(contender);
  const frames = Array.from({ length: users }, (_, index) => frameOf(index));
  return async () => {
    const url = `http://127.0.0.1:${await started}`;
    const open = Array.from({ length: sessions }, () => connect(url));
    await Promise.all(open.map((session) => once(session, 'connect')));
    let sent = 0;
    const from = performance.now();
    const work = async (session: ClientHttp2Session): Promise<void> => {
      while (sent < calls) {
        sent += 1;
        await call(session, frames[sent % users] as Buffer);
      }
    };
    await Promise.all(
      open.flatMap((session) => Array.from({ length: callsPerSession }, () => work(session))),
    );
    const rate = perSecond(calls, from);
    for (const session of open) session.close();
    return rate;
  };
}

/** A message as gRPC frames it: not compressed, its length, itself. */
function frameOf(index: number): Buffer {
  const order = { userId: `user-${index}`, amount: BigInt(1 + (index % 100)) };
  const message = toBinary(SubmitOrderRequestSchema, create(SubmitOrderRequestSchema, { order }));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function call(session: ClientHttp2Session, frame: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/orderprocessor.v1.OrderService/SubmitOrder',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let status: unknown;
    stream.on('trailers', (trailers) => {
      status = trailers['grpc-status'];
    });
    stream.on('error', reject);
    stream.on('close', () => {
      if (Number(status) === 0) resolve();
      else reject(new Error(`The status is ${status}`));
    });
    stream.resume();
    stream.end(frame);
  });
}
