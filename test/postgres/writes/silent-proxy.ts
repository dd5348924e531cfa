import { connect, createServer, type Server, type Socket } from 'node:net';

/** Stands between a storage and the server, and can lose what the server answers. */
export class SilentProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [client: Socket, server: Socket]>();
  #isSilent = false;

  private constructor(port: number) {
    this.#server = createServer((client) => {
      const server = connect(port, '127.0.0.1');
      const pair = [client, server] as const;
      this.#pairs.add(pair);
      client.on('data', (data) => server.write(data));
      server.on('data', (data) => {
        if (!this.#isSilent) client.write(data);
      });
      for (const socket of pair) {
        socket.on('error', () => {});
        socket.on('close', () => {
          this.#pairs.delete(pair);
          for (const each of pair) each.destroy();
        });
      }
    });
  }

  static async start(port: number): Promise<SilentProxy> {
    const proxy = new SilentProxy(port);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** From now on no answer arrives, until the connections are cut. */
  silence(): void {
    this.#isSilent = true;
  }

  /** From now on nothing arrives on either side, not even that a connection has ended. */
  freeze(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  /** Ends all connections; new ones work again. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    this.#isSilent = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
