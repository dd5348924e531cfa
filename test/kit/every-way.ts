import type { Order, OrderProcessor } from 'order-processor';
import { codeOf, outcomeNow } from './helpers.ts';

/** What each way of handing in an order comes to, in this turn. */
export function everyWay(processor: OrderProcessor, given: Order): Promise<string[] | 'pending'> {
  return outcomeNow(handIn(processor, given));
}

async function handIn(processor: OrderProcessor, given: Order): Promise<string[]> {
  const words = [codeOf(processor.submit(given)), codeOf(processor.enqueue(given))];
  const { signal } = new AbortController();
  words.push(codeOf(processor.submit(given, { signal })));
  const [many] = await processor.submitMany([given]);
  const outcomes = [many];
  for await (const outcome of processor.submitStream([given])) outcomes.push(outcome);
  return [
    ...(await Promise.all(words)),
    ...outcomes.map((outcome) =>
      outcome?.status === 'completed' ? 'completed' : `${outcome?.error.code}`,
    ),
  ];
}

/** The same word for each of them. */
export const all = (word: string): string[] => Array(5).fill(word);
