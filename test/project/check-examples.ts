/** Runs every example as a user would: checks how it ends, what the greater ones print, what services answer. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkBalances } from '../examples/balances.ts';
import { checkCluster } from '../examples/cluster.ts';
import { checkCredits } from '../examples/credits.ts';
import { checkDashboard } from '../examples/dashboard.ts';
import { checkDelivery } from '../examples/delivery.ts';
import { checkDurable } from '../examples/durable.ts';
import { checkOwnStorage } from '../examples/own-storage.ts';
import { checkDeliveryService } from '../examples/services/delivery.ts';
import { checkIngestService } from '../examples/services/ingest.ts';
import { checkService } from '../examples/services/service.ts';
import { checkShopService } from '../examples/services/shop.ts';
import { checkTrackingService } from '../examples/services/tracking.ts';
import { checkShop } from '../examples/shop.ts';
import { checkTracing } from '../examples/tracing.ts';

const examples = join(import.meta.dirname, '../../examples');
/** One file each, or a folder with a page of its own. */
const pages = new Map(
  globSync(['*.ts', '*/index.ts'], { cwd: examples })
    .filter((path) => path !== 'run.ts')
    .map((path) => [path.replace(/\/index\.ts$|\.ts$/, ''), path.replace('index.ts', 'README.md')]),
);
const programs = [...pages.keys()].sort();
const services = readdirSync(join(examples, 'services'));
const index = readFileSync(join(examples, 'README.md'), 'utf8');

async function run(name: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(examples, 'run.ts'), name], {
    timeout: 60_000,
    // CI may force colours where there is no terminal.
    env: { ...process.env, FORCE_COLOR: '0' },
  });
  return stdout;
}

const programChecks: Readonly<Record<string, (output: string) => void>> = {
  balances: checkBalances,
  cluster: checkCluster,
  credits: checkCredits,
  dashboard: checkDashboard,
  delivery: checkDelivery,
  durable: checkDurable,
  'own-storage': checkOwnStorage,
  shop: checkShop,
  tracing: checkTracing,
};

const serviceChecks: Readonly<Record<string, () => Promise<void>>> = {
  'delivery-service': checkDeliveryService,
  'ingest-service': checkIngestService,
  service: checkService,
  'shop-service': checkShopService,
  'tracking-service': checkTrackingService,
};

// One alone, while it is being written: `node test/project/check-examples.ts NAME`.
const isWanted = (name: string): boolean => [name, undefined].includes(process.argv[2]);

for (const name of programs.filter(isWanted)) {
  assert.ok(index.includes(`](${pages.get(name)})`), `examples/README.md does not list ${name}`);
  const output = await run(name);
  programChecks[name]?.(output);
  console.log(`${name} ok`);
}
for (const name of services.filter(isWanted)) {
  assert.ok(
    index.includes(`](services/${name}/README.md)`),
    `examples/README.md does not list ${name}`,
  );
  const check = serviceChecks[name];
  assert.ok(check, `Nothing checks the service ${name}`);
  await check();
  console.log(`${name} ok`);
}
for (const name of Object.keys(programChecks)) {
  assert.ok(programs.includes(name), `No example ${name}`);
}
assert.deepEqual(Object.keys(serviceChecks), services);
await assert.rejects(
  run('no-such-example'),
  /There are: balances, cluster, credits, dashboard, delivery, /,
);
