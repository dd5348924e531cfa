/** How the dashboard's page writes amounts, times and JSON, reads its stream, and lays out steps. */
import { describe, expect, it } from 'vitest';
import type { OrderView, StepView } from '../../src/dashboard/api.ts';
import { waterfallOf } from '../../src/dashboard/page/charts/waterfall-bars.ts';
import { readEvents, type StreamMessage } from '../../src/dashboard/page/data/event-stream.ts';
import { formatAmount, formatChange } from '../../src/dashboard/page/data/format/amounts.ts';
import { indented } from '../../src/dashboard/page/data/format/json.ts';
import { formatDuration, formatRelative } from '../../src/dashboard/page/data/format/times.ts';

const euro = { code: 'EUR', digits: 2, locale: 'en-IE' };

describe('amounts', () => {
  it.each([
    ['0', '€0.00'],
    ['5', '€0.05'],
    ['-5', '-€0.05'],
    ['123456', '€1,234.56'],
    ['9007199254740993', '€90,071,992,547,409.93'],
    ['-90071992547409931234567890', '-€900,719,925,474,099,312,345,678.90'],
  ])('writes %s cents as %s, exactly', (amount, text) => {
    expect(formatAmount(amount, euro)).toBe(text);
  });

  it('goes by the digits of the currency, and shows a sign of what is added', () => {
    expect(formatAmount('1', { digits: 18, locale: 'en' })).toBe('0.000000000000000001');
    expect(formatAmount('1234', { digits: 0, locale: 'en' })).toBe('1,234');
    expect(formatChange('1', euro)).toBe('+€0.01');
    expect(formatChange('0', euro)).toBe('€0.00');
  });
});

describe('times', () => {
  it.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [1_000, '1 s'],
    [1_249, '1.2 s'],
    [59_000, '59 s'],
    [125_000, '2 min 5 s'],
    [3 * 3_600_000, '3 h'],
    [26 * 3_600_000, '1 d 2 h'],
  ])('writes %d milliseconds as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it('says how long ago something was, or in what time it will be', () => {
    expect(formatRelative(1_000, 1_500)).toBe('just now');
    expect(formatRelative(0, 61_000)).toBe('1 min ago');
    expect(formatRelative(7_200_000, 0)).toBe('in 2 h');
  });
});

describe('JSON', () => {
  it('is put on lines, and keeps its numbers and its strings as they are', () => {
    const text = '{"a":12345678901234567890.10,"b":["{,}\\"",{}],"c":[]}';
    expect(indented(text)).toBe(
      '{\n  "a": 12345678901234567890.10,\n  "b": [\n    "{,}\\"",\n    {}\n  ],\n  "c": []\n}',
    );
    // Only white space is added, of any JSON.
    expect(JSON.parse(indented(text))).toEqual(JSON.parse(text));
  });

  it('may have been cut anywhere', () => {
    const text = '{"a":[1,2,{"b":"long text"}]}';
    for (let length = 0; length <= text.length; length += 1) {
      const cut = text.slice(0, length);
      expect(indented(cut).replace(/\n\s*|: (?=["{[\d]|$)/g, (space) => space.trim())).toBe(cut);
    }
  });
});

describe('the event stream', () => {
  async function read(pieces: readonly string[]): Promise<StreamMessage[]> {
    const bytes = new TextEncoder();
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start(controller) {
        for (const piece of pieces) controller.enqueue(bytes.encode(piece));
        controller.close();
      },
    });
    const messages: StreamMessage[] = [];
    for await (const message of readEvents(body, () => {})) messages.push(message);
    return messages;
  }

  it('is the same, however the network cuts it', async () => {
    const text =
      'retry: 1000\n\nid: 1\nevent: stats\ndata: {"a":"ü"}\n\n: \n\nevent: user\ndata: 1\ndata: 2\n\n';
    const expected = [
      { name: 'stats', id: '1', data: '{"a":"ü"}' },
      { name: 'user', id: undefined, data: '1\n2' },
    ];
    expect(await read([text])).toEqual(expected);
    expect(await read([...text])).toEqual(expected);
  });

  it('gives no message that has not come whole', async () => {
    expect(await read(['event: stats\ndata: {"a"'])).toEqual([]);
  });
});

describe('the waterfall', () => {
  const step = (fields: Partial<StepView>): StepView => ({
    name: 'payment',
    status: 'ok',
    isObserved: true,
    attempts: 1,
    retries: [],
    ...fields,
  });
  const order = (fields: Partial<OrderView>): OrderView =>
    ({ acceptedAt: 100, startedAt: 150, settledAt: 400, steps: [], ...fields }) as OrderView;

  it('has attempts, the pauses behind them, and the compensation, one behind the other', () => {
    const retry = { attempt: 1, at: 170, pauseMs: 30, code: 'timeout', message: '' };
    const { bars, from, to } = waterfallOf(
      order({
        steps: [
          step({
            ...{
              status: 'compensated',
              startedAt: 150,
              endedAt: 220,
              attempts: 2,
              retries: [retry],
            },
            compensation: { status: 'ok', startedAt: 350, endedAt: 400, attempts: 1, retries: [] },
          }),
        ],
      }),
      400,
    );
    expect([from, to]).toEqual([100, 400]);
    expect(bars.map(({ segments }) => segments)).toEqual([
      [{ kind: 'wait', from: 100, to: 150 }],
      [
        { kind: 'failed', from: 150, to: 170 },
        { kind: 'pause', from: 170, to: 200 },
        { kind: 'ok', from: 200, to: 220 },
      ],
      [{ kind: 'undone', from: 350, to: 400 }],
    ]);
  });

  it('leaves a long wait out, and lets what runs go on until now', () => {
    const { settledAt: _, ...running } = order({
      acceptedAt: 0,
      startedAt: 1_000_000,
      steps: [step({ status: 'running', startedAt: 1_000_000 })],
    });
    const { from, to, isWaitLeftOut } = waterfallOf(running as OrderView, 1_000_500);
    expect([from, to, isWaitLeftOut]).toEqual([1_000_000, 1_000_500, true]);
  });
});
