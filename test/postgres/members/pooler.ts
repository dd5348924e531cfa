import { connect, createServer, type Server, type Socket } from 'node:net';

/** What a pooler that gives a connection for one transaction does to sessions. */
export type Fault = 'another process' | 'no notes';

/** Stands before a server as a pooler does. */
export class Pooler implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(port: number, fault: Fault): Promise<Pooler> {
    const server = createServer();
    const pooler = new Pooler(server);
    server.on('connection', (client) => pooler.#connect(client, port, fault));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return pooler;
  }

  get url(): string {
    const { port } = this.#server.address() as { port: number };
    return `postgres://postgres@127.0.0.1:${port}/postgres`;
  }

  #connect(client: Socket, port: number, fault: Fault): void {
    const database = connect(port, '127.0.0.1');
    for (const socket of [client, database]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        database.destroy();
      });
    }
    client.pipe(database);
    let rest = Buffer.alloc(0);
    database.on('data', (data: Buffer) => {
      rest = Buffer.concat([rest, data]);
      while (rest.length >= 5 && rest.length > rest.readUInt32BE(1)) {
        const end = 1 + rest.readUInt32BE(1);
        const message = rest.subarray(0, end);
        rest = rest.subarray(end);
        const type = String.fromCharCode(message[0] as number);
        if (type === 'A' && fault === 'no notes') continue;
        if (type === 'K' && fault === 'another process') message.writeUInt32BE(1, 5);
        client.write(message);
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
