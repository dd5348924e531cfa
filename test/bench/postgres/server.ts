import { PostgresServer } from '../../kit/postgres-server.ts';

/** As a small server is set up; commits wait for the disk. */
const settings = { shared_buffers: '256MB', max_wal_size: '4GB' };

/** Gives each round a server of its own. */
export async function onServer<T>(work: (server: PostgresServer) => Promise<T>): Promise<T> {
  await using server = await PostgresServer.start({ isDurable: true, settings });
  return await work(server);
}
