import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Answer } from '../fuzz/answer.ts';
import { answersOf, closeOf } from '../fuzz/raw.ts';

/** A client that sends what the test says, byte by byte. */
export class Client {
  readonly socket: Socket;
  /** Resolves when the connection is closed, by whomever. */
  readonly closed: Promise<true>;
  readonly #received: Buffer[] = [];

  private constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    this.closed = closeOf(this.socket);
  }

  /** @param isReading - whether it takes what it is sent; else the system's buffers fill up */
  static async connect(port: number, isReading = true): Promise<Client> {
    const client = new Client(port);
    if (isReading) client.socket.on('data', (chunk) => client.#received.push(chunk));
    // Node closes its half at once in answer to the other's end, unless `allowHalfOpen` is set.
    client.socket.on('end', () => client.socket.end());
    await once(client.socket, 'connect');
    return client;
  }

  send(text: string | Buffer): this {
    this.socket.write(text);
    return this;
  }

  get text(): string {
    return Buffer.concat(this.#received).toString();
  }

  get answers(): Answer[] {
    return answersOf(Buffer.concat(this.#received));
  }

  /** The answers, when there are so many. */
  async got(many: number): Promise<Answer[]> {
    while (this.answers.length < many && !this.socket.destroyed) {
      // Not `once` of Node, which rejects when the connection is reset.
      const received = new Promise((resolve) => this.socket.once('data', resolve));
      await Promise.race([received, this.closed]);
    }
    return this.answers;
  }

  /** Goes without a word. */
  leave(): void {
    this.socket.destroy();
  }
}
