/**
 * The published contract: what is generated is what it says, it keeps to the rules of buf, and it breaks no
 * client of the last release, whose copy is in contract/.
 */
import { execFile } from 'node:child_process';
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSync } from '@grpc/proto-loader';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isFull } from '../kit/full.ts';

const root = join(import.meta.dirname, '../..');
const source = join(root, 'src/grpc');
const released = join(import.meta.dirname, 'contract');
const contract = 'proto/orderprocessor/v1/orders.proto';
let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'contract-'));
});

afterEach(() => rmSync(home, { recursive: true }));

/** What buf says, and whether it is content; as `npm run` calls it, so that it finds the plugin. */
function buf(...args: string[]): Promise<{ isContent: boolean; said: string }> {
  const bin = join(root, 'node_modules/.bin');
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, NO_COLOR: '1' };
  return new Promise((resolve) => {
    execFile(join(bin, 'buf'), args, { cwd: root, env }, (error, stdout, stderr) =>
      resolve({ isContent: error === null, said: `${stdout}${stderr}` }),
    );
  });
}

const content = { isContent: true, said: '' };

/** A copy of the contract, changed. */
function changed(change: (text: string) => string): string {
  cpSync(join(source, 'proto'), join(home, 'proto'), { recursive: true });
  cpSync(join(source, 'buf.yaml'), join(home, 'buf.yaml'));
  const before = readFileSync(join(source, contract), 'utf8');
  const after = change(before);
  expect(after).not.toBe(before);
  writeFileSync(join(home, contract), after);
  return home;
}

describe('buf lint', () => {
  it('passes', async () => {
    expect(await buf('lint', 'src/grpc')).toEqual(content);
  });

  it('sees what is wrong', async () => {
    const other = changed((text) => text.replace('string user_id = 2;', 'string userId = 2;'));
    expect(await buf('lint', other)).toMatchObject({ isContent: false });
  });
});

describe('what is generated', () => {
  async function generate(from: string, to: string): Promise<Record<string, string>> {
    const template = join(source, 'buf.gen.yaml');
    expect(await buf('generate', from, '--template', template, '--output', to)).toEqual(content);
    return filesOf(to);
  }

  function filesOf(folder: string): Record<string, string> {
    const files = globSync('gen/**/*.*', { cwd: folder }).sort();
    expect(files.length).toBeGreaterThan(4);
    return Object.fromEntries(
      files.map((file) => [file, readFileSync(join(folder, file), 'utf8')]),
    );
  }

  it('is not stale: `npm run proto` would change nothing', async () => {
    expect(await generate('src/grpc', home)).toEqual(filesOf(source));
  });

  it('would be stale if the contract had one more field', async () => {
    const to = join(home, 'out');
    mkdirSync(to);
    const other = changed((text) =>
      text.replace('message GetStatsRequest {}', 'message GetStatsRequest { string zone = 1; }'),
    );
    expect(await generate(other, to)).not.toEqual(filesOf(source));
  });
});

describe('buf breaking', () => {
  const against = ['--against', released];

  it('passes', async () => {
    expect(await buf('breaking', 'src/grpc', ...against)).toEqual(content);
  });

  it('lets a field be added', async () => {
    const other = changed((text) =>
      text.replace('message GetStatsRequest {}', 'message GetStatsRequest { string zone = 1; }'),
    );
    expect(await buf('breaking', other, ...against)).toEqual(content);
  });

  const changes: [name: string, part: string, instead: string, named: string][] = [
    ['a field that is gone', '  // In minor units.\n  int64 balance = 1;\n', '', 'balance'],
    ['a field of another number', 'int64 amount = 3;', 'int64 amount = 33;', 'amount'],
    ['a field of another type', 'int64 amount = 3;', 'string amount = 3;', 'amount'],
    ['a field of another name', 'string user_id = 2;', 'string customer_id = 2;', 'user_id'],
    ['a method that is gone', 'rpc GetStats(', 'rpc ReadStats(', 'GetStats'],
    [
      'a stream that is none',
      'returns (stream WatchOrdersResponse)',
      'returns (WatchOrdersResponse)',
      'WatchOrders',
    ],
    [
      'a value that is gone',
      '  // After the others, within a bound.\n  PRIORITY_LOW = 3;\n',
      '',
      '3',
    ],
    ['another package', 'package orderprocessor.v1;', 'package orderprocessor.v2;', 'package'],
  ];
  // Each is a process.
  it.each(isFull ? changes : changes.slice(0, 3))('sees %s', async (_, part, instead, named) => {
    const other = changed((text) => text.replace(part, instead));
    const { isContent, said } = await buf('breaking', other, ...against);
    expect(isContent).toBe(false);
    expect(said).toContain(named);
  });
});

it('the file that is published needs no other one but those that every compiler has', () => {
  const alone = join(home, 'orders.proto');
  cpSync(join(source, contract), alone);
  expect(Object.keys(loadSync(alone))).toContain('orderprocessor.v1.OrderService');
  const imports = readFileSync(alone, 'utf8').match(/^import .*$/gm) ?? [];
  for (const line of imports) expect(line).toMatch(/^import "google\/protobuf\/\w+\.proto";$/);
});
