import { connect, createServer, type Server, type Socket } from 'node:net';
import { Statements } from './statements.ts';

/**
 * How a network treats what is sent.
 *
 * - `open`: all arrives.
 * - `stalled`: nothing arrives, in either direction, until it is open again: then all does, also what a process sent
 *   whose socket is closed by now, as a kernel sends it again.
 * - `mute`: what the server answers is lost; connections end when the network is open again.
 * - `refused`: connections are cut, and new ones are refused.
 */
export type NetworkMode = 'open' | 'stalled' | 'mute' | 'refused';

/** One direction of a connection. */
class Line {
  readonly #from: Socket;
  readonly #to: Socket;
  #held: Buffer[] = [];
  #hasEnded = false;

  constructor(from: Socket, to: Socket, network: Network, isAnswer: boolean) {
    this.#from = from;
    this.#to = to;
    const arrived = (data: Buffer): void => {
      if (network.mode === 'stalled') this.#held.push(data);
      else if (!(isAnswer && network.mode === 'mute')) this.#send(data);
    };
    const pauses = isAnswer ? undefined : network.pauses;
    const statements = pauses && new Statements(arrived, pauses);
    from.on('data', (data) => (statements === undefined ? arrived(data) : statements.take(data)));
    const ended = (): void => {
      this.#hasEnded = true;
      statements?.flush();
      if (network.mode !== 'stalled') this.deliver();
    };
    from.on('end', ended);
    from.on('close', ended);
    from.on('error', ended);
  }

  /** What was held arrives. */
  deliver(): void {
    for (const data of this.#held) this.#send(data);
    this.#held = [];
    if (this.#hasEnded && !this.#to.destroyed) this.#to.end();
  }

  #send(data: Buffer): void {
    if (this.#to.writable) this.#to.write(data);
  }

  destroy(): void {
    this.#from.destroy();
  }
}

/** Stands between one process and the server. */
export class Network implements AsyncDisposable {
  mode: NetworkMode = 'open';
  /** How long the next pause is, in milliseconds; see {@link Statements}. */
  readonly pauses: (() => number) | undefined;
  readonly #server: Server;
  readonly #lines = new Set<Line>();

  private constructor(port: number, pauses: Network['pauses']) {
    this.pauses = pauses;
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      if (this.mode === 'refused') {
        client.destroy();
        return;
      }
      const server = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      client.setNoDelay(true);
      server.setNoDelay(true);
      const lines = [new Line(client, server, this, false), new Line(server, client, this, true)];
      for (const line of lines) this.#lines.add(line);
      let open = 2;
      for (const socket of [client, server]) {
        socket.on('close', () => {
          open -= 1;
          if (open === 0) for (const line of lines) this.#lines.delete(line);
        });
      }
    });
  }

  static async start(port: number, pauses?: Network['pauses']): Promise<Network> {
    const network = new Network(port, pauses);
    await new Promise<void>((resolve) => network.#server.listen(0, '127.0.0.1', resolve));
    return network;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** Changes how it treats what is sent. */
  turn(mode: NetworkMode): void {
    const before = this.mode;
    this.mode = mode;
    if (before === 'stalled') for (const line of this.#lines) line.deliver();
    if (before === 'mute' || mode === 'refused') this.#cut();
  }

  #cut(): void {
    for (const line of this.#lines) line.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.turn('open');
    this.#cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
