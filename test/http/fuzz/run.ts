/**
 * Fuzzes the HTTP adapter for as long as its argument says.
 *
 * ```sh
 * npm run fuzz                  # 200 000 requests
 * npm run fuzz -- 2000000       # more
 * npm run fuzz -- 2000 42       # again with the seed that failed
 * ```
 */
import { fuzzApp } from './in-process.ts';
import { fuzzSockets } from './sockets.ts';

const perLife = 2_000;
const connectionsPerLife = 240;
const [, , requests = '200000', seed] = process.argv;
const first = seed === undefined ? Date.now() % 2 ** 31 : Number(seed);

function judge(kind: string, own: number, faults: readonly string[]): void {
  for (const fault of faults.slice(0, 10)) console.log(`${kind}, seed ${own}: ${fault}`);
  if (faults.length > 0) process.exit(1);
}

let acknowledged = 0;
for (let at = 0; at * perLife < Number(requests); at += 1) {
  const own = first + at;
  const app = await fuzzApp(own, perLife);
  judge('app', own, app.faults);
  const sockets = await fuzzSockets(own, connectionsPerLife);
  judge('sockets', own, sockets.faults);
  acknowledged += app.acknowledged + sockets.acknowledged;
  if (at % 10 === 9) console.log(`${(at + 1) * perLife} requests, ${acknowledged} orders`);
}
console.log(`seeds from ${first}: ${acknowledged} orders acknowledged, no faults`);
