/** The first start of a process on a file: opens it, keeps one order, and closes it. */
import { SqliteStorage } from '../../src/sqlite/index.ts';

const storage = await SqliteStorage.open(process.argv[2] ?? '');
await storage.apply([{ orderId: 'first', userId: 'u-1', amount: 5, minBalance: undefined }]);
await storage.close();
