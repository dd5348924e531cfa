import { randomUUID } from 'node:crypto';

let time = 0;
let count = 0;
let head = '';
let tail = '';

/**
 * A UUID version 7 (RFC 9562) that sorts after every earlier one of this process: 48 bits of Unix
 * milliseconds, 12 bits of counter (method 1 of section 6.2), 62 random bits made anew each
 * millisecond. When the counter is used up, the time part runs ahead by a millisecond.
 */
export function nextOrderId(): string {
  const now = Date.now();
  if (now > time) start(now);
  else if (count === 0xfff) start(time + 1);
  else count += 1;
  return head + count.toString(16).padStart(3, '0') + tail;
}

function start(at: number): void {
  time = at;
  count = 0;
  const hex = at.toString(16).padStart(12, '0');
  head = `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
  // From the hyphen before the variant bits on, a random UUID of version 4 has what one of 7 has.
  tail = randomUUID().slice(18);
}

/** Whether an id was made in this millisecond: its order cannot be settled yet. */
export function isJustMade(id: string): boolean {
  return tail !== '' && id.endsWith(tail) && id.startsWith(head);
}
