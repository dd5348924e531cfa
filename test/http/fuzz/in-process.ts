import { type Answer, faultOf } from './answer.ts';
import { Dice } from './dice.ts';
import { type Spec, specOf } from './requests.ts';
import { type Life, lifeOf, readers } from './world.ts';

/** What became of many requests. */
export interface Verdict {
  readonly faults: readonly string[];
  readonly requests: number;
  readonly acknowledged: number;
  /** How often each status came. */
  readonly statuses: Readonly<Record<string, number>>;
  /** How often metrics came. */
  readonly scrapes: number;
  /** How many outcomes feeds have told. */
  readonly outcomes: number;
  /** How often a lane was held. */
  readonly holds: number;
}

const atOnce = 20;
/** Hardly anything takes a hundredth of it. */
const boundMs = 5_000;

/**
 * Sends requests to an app without a socket, some at once, and judges every answer and, in the end, what the
 * processor has done.
 */
export async function fuzzApp(seed: number, requests: number): Promise<Verdict> {
  const dice = new Dice(seed);
  const life = lifeOf(seed, dice);
  const statuses: Record<string, number> = {};
  const faults: string[] = [];
  let scrapes = 0;
  for (let at = 0; at < requests && faults.length === 0; at += atOnce) {
    const specs = Array.from({ length: atOnce }, () => specOf(dice, life.world));
    const judged = specs.map(async ({ spec, isValid }, index) => {
      const answer = await answerOf(life, spec, dice, isValid);
      if (answer === undefined) return;
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
      if (isScrape(answer)) scrapes += 1;
      const fault = faultOf(spec.method, answer) ?? (isValid ? refusalOf(answer) : undefined);
      if (fault !== undefined) faults.push(`${at + index}: ${fault} for ${show(spec, answer)}`);
      if (answer.isFeed) life.ledger.noteFeed(answer.text, life.world);
      else life.ledger.note(answer);
    });
    if (await isLate(Promise.all(judged))) faults.push(`${at}: no answer for ${boundMs} ms`);
  }
  if (faults.length === 0) faults.push(...(await life.ledger.close(true)), ...(await leaks(life)));
  for (const error of life.internal) faults.push(`internal: ${error}`);
  await life.processor.shutdown();
  const { acknowledged, outcomes, holds } = life.ledger;
  return { faults, requests, acknowledged, statuses, scrapes, outcomes, holds };
}

export function isScrape({ status, text }: Answer): boolean {
  return status === 200 && text.includes('# TYPE order_processor_');
}

/** Valid requests may be refused for what the processor is, not for what they are; and orders may fail. */
function refusalOf({ status, headers }: Answer): string | undefined {
  if (headers.get('location') !== null) return undefined;
  return [400, 405, 408, 411, 413, 415, 431].includes(status) ? 'a refusal' : undefined;
}

async function isLate(work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<true>((resolve) => {
    timer = setTimeout(() => resolve(true), boundMs);
  });
  try {
    return await Promise.race([work.then(() => false), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function answerOf(
  { app }: Life,
  spec: Spec,
  dice: Dice,
  isWhole: boolean,
): Promise<(Answer & { readonly isFeed: boolean }) | undefined> {
  const request = requestOf(spec, dice, isWhole);
  if (request === undefined) return undefined;
  const response = await app.fetch(request);
  const { status, headers } = response;
  const type = headers.get('content-type');
  const isFeed = type === 'application/x-ndjson' && request.method === 'GET';
  if ((type?.startsWith('text/event-stream') || isFeed) && response.body !== null) {
    return { status, headers, text: await beginningOf(response.body), isFeed };
  }
  return { status, headers, text: await response.text(), isFeed };
}

/** Of an answer that does not end; empty if nothing comes. */
async function beginningOf(body: ReadableStream<Uint8Array>): Promise<string> {
  const reader = body.getReader();
  const nothing = new Promise<{ readonly value?: Uint8Array }>((resolve) => {
    setTimeout(resolve, 20, {});
  });
  const { value = new Uint8Array() } = await Promise.race([reader.read(), nothing]);
  await reader.cancel();
  return Buffer.from(value).toString();
}

/** Not everything can be said with `fetch`; sockets say the rest. */
function requestOf(
  { method, path, headers, body }: Spec,
  dice: Dice,
  isWhole: boolean,
): Request | undefined {
  const sent = new Headers();
  for (const [name, value] of headers) {
    try {
      sent.append(name, value);
    } catch {}
  }
  const isBodiless = body === undefined || method === 'GET' || method === 'HEAD';
  const streamed = isBodiless ? undefined : dice.chance(0.5) ? streamOf(body, dice, isWhole) : body;
  try {
    const url = `http://localhost${path}`;
    return new Request(url, { method, headers: sent, body: streamed ?? null, duplex: 'half' });
  } catch {
    return undefined;
  }
}

/** In pieces, and now and then not to its end. */
function streamOf(body: Buffer, dice: Dice, isWhole: boolean): ReadableStream<Uint8Array> {
  const length = 1 + dice.below(Math.max(1, body.length));
  const breaksAt = !isWhole && dice.chance(0.1) ? dice.below(body.length + 1) : Infinity;
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= breaksAt) return controller.error(new Error('The client has gone'));
      if (at >= body.length) return controller.close();
      controller.enqueue(body.subarray(at, at + length));
      at += length;
    },
  });
}

/** Readers of events or of outcomes that are gone, but count. */
async function leaks({ app }: Life): Promise<string[]> {
  const opened = await Promise.all(
    ['events', 'outcomes'].flatMap((feed) =>
      Array.from({ length: readers }, () => app.fetch(new Request(`http://localhost/${feed}`))),
    ),
  );
  await Promise.all(opened.map(({ body }) => body?.cancel()));
  const refused = opened.filter(({ status }) => status !== 200).length;
  return refused === 0 ? [] : [`${refused} readers are left`];
}

function show({ method, path, headers, body }: Spec, { status, text }: Answer): string {
  const told = body?.toString('latin1').slice(0, 300);
  const said = text.slice(0, 300);
  return JSON.stringify({ method, path, headers, body: told, status, said });
}
