/** A day of a service of prepaid credits, on a file, with a restart in the middle. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Hold, isOrderError, type MovementPage } from 'order-processor';
import { SqliteStorage } from 'order-processor/sqlite';
import { Credits, fees, shop } from './credits.ts';
import { money } from './money.ts';
import { Outbox } from './outbox.ts';
import { bank, shelf, vendor } from './outside.ts';

const folder = await mkdtemp(join(tmpdir(), 'credits-'));
const file = join(folder, 'credits.db');
let storage = await SqliteStorage.open(file);
let credits = new Credits(storage);

async function restart(): Promise<void> {
  await credits.processor.shutdown();
  storage = await SqliteStorage.open(file);
  credits = new Credits(storage);
  await credits.processor.ready;
}
let titles = 0;
function title(text: string): void {
  if (titles++ > 0) console.log();
  console.log(text);
}
const say = (text: string): void => console.log(`  ${text}`);
const balance = async (userId: string): Promise<string> =>
  money(await credits.processor.balance(userId));
async function sayBalances(...users: string[]): Promise<void> {
  const lines = await Promise.all(users.map(async (user) => `${user} ${await balance(user)}`));
  say(lines.join(', '));
}
/** Why it did not complete. */
async function codeOf(order: Promise<unknown>): Promise<string> {
  try {
    await order;
    return 'completed';
  } catch (error) {
    if (!isOrderError(error)) throw error;
    return error.code;
  }
}

const outbox = new Outbox(join(folder, 'outbox.db'));
const ended: string[] = [];
const failed = (error: Error): number => ended.push(error.message);
let writer = outbox.follow(credits, undefined, 3).catch(failed);

title('Top-up: a card is charged, and the credits come from outside');
await credits.topUp('top-up-1', 'ann', 5_000, 'valid');
await credits.topUp('top-up-2', 'ben', 2_000, 'valid');
say(`cleo's card: ${await codeOf(credits.topUp('top-up-3', 'cleo', 1_000, 'expired'))}`);
await sayBalances('ann', 'ben', 'cleo');

title('Purchase: an item, then a voucher; the buyer pays the shop and a fee in one transaction');
const ticket = await credits.purchase('ticket', 'ann', 'a ticket', 1_800);
say(`ann has voucher ${ticket.results.voucher?.code}`);
for (const { userId, amount } of ticket.postings) say(`${userId} got ${money(amount)}`);
vendor.isOpen = false;
say(
  `ben, while the vendor is closed: ${await codeOf(credits.purchase('coffee', 'ben', 'coffee', 500))}`,
);
say(`his item is back on the shelf, which has given out ${shelf.taken}`);
await sayBalances('ann', 'ben', shop, fees);
vendor.isOpen = true;

title('Call: the most that it can cost is ordered, and what it cost is paid');
const call = await credits.call('call', 'ben', 300);
say(`ordered ${money(call.orderedAmount)}, paid ${money(call.amount)}`);
await sayBalances('ben');

title('Transfer: both at once, and neither waits for the other');
await Promise.all([
  credits.transfer('gift', 'ann', 'ben', 1_000, 'happy birthday'),
  credits.transfer('debt', 'ben', 'ann', 300, 'for lunch'),
]);
await sayBalances('ann', 'ben');
say(
  `ben sends more than he has: ${await codeOf(credits.transfer('all', 'ben', 'cleo', 9_900, 'all'))}`,
);

title('Refund: by what the record of the purchase says, without a second charge or voucher');
await credits.purchase('tea', 'ben', 'tea', 600);
const [first, again] = await Promise.all([credits.refund('ticket'), credits.refund('ticket')]);
say(`asked for twice, done once: ${first === again || first.balance === again.balance}`);
say(`vouchers left: ${vendor.vouchers.join(', ')}`);
await sayBalances('ann', shop, fees);

title('Again: what failed for want of a vendor comes again, under an id that names the first one');
const coffee = await credits.again('coffee');
await credits.again('coffee'); // pressed twice, done once
say(`${coffee.id}, of ${coffee.retryOf}: ${(await credits.processor.outcome(coffee.id))?.status}`);
const before = await credits.processor.order('coffee');
say(`coffee stays ${before?.status}, and names ${before?.retriedAs}`);
await sayBalances('ben', shop, fees);

title('Payout: one that fails holds the lane of its user, until an operator has it tried again');
bank.isOpen = false;
const held = new Promise<Hold>((resolve) => credits.processor.once('held', resolve));
const payout = credits.payout('payout', 'ann', 2_000);
const behind = credits.transfer('thanks', 'ann', 'ben', 500, 'thank you');
const { orderId, userId, message } = await held;
say(`${userId}'s lane is held by ${orderId}: ${message}`);
say(`what waits behind it: ${(await credits.processor.order('thanks'))?.status}`);
bank.isOpen = true;
await credits.tryAgain('ann');
say(`the bank is open: ${(await payout).status}, then ${(await behind).status}`);
await sayBalances('ann', 'ben');

title('Freeze: a lane stops, and a restart does not thaw it');
await credits.freeze('ben', 'his card was stolen');
const theft = codeOf(credits.transfer('theft', 'ben', 'cleo', 2_000, 'quick'));
say(
  `ben's transfer waits; ann's goes on: ${await codeOf(credits.transfer('rent', 'ann', 'cleo', 700, 'rent'))}`,
);
const renewal = await credits.renewLater('ann', 'march', 300, Date.now() + 500);
const restartedAt = Date.now();
await restart();
await writer;
writer = outbox.follow(credits, undefined, 5).catch(failed);
say(`the restart ends the waiting for ben's transfer, and not the order: ${await theft}`);
const { holds } = await credits.processor.holds();
for (const { userId, reason } of holds) say(`held after it: ${userId}, because ${reason}`);
await credits.processor.cancel('theft');
await credits.unfreeze('ben');
say(`the transfer, when ben goes on: ${(await credits.processor.outcome('theft'))?.status}`);
await sayBalances('ben', 'cleo');

title('Subscription: ordered before the restart, due after it');
say(`${renewal}: ${(await credits.processor.outcome(renewal))?.status}`);
await sayBalances('ann', shop);

title('Statement: each change of the balance in the order applied, those by others too');
let page: MovementPage | undefined;
do {
  page = await credits.processor.movements('ann', { limit: 5, cursor: page?.cursor });
  for (const { amount, balance, orderId } of page.movements) {
    say(`${money(amount).padStart(7)} ${money(balance).padStart(7)}  ${orderId}`);
  }
} while (page.cursor !== undefined);
say(`at the restart: ${money(await credits.processor.balanceAt('ann', restartedAt))}`);

title('Outbox: one mail for each outcome, though its writer failed twice');
await writer;
const stop = new AbortController();
writer = outbox.follow(credits, stop.signal).catch(failed);
const { orders } = await credits.processor.orders({ limit: 100 });
while (outbox.mails.length < orders.length) await sleep(5);
stop.abort();
await writer;
const { mails } = outbox;
say(`failed: ${ended.length}; orders: ${orders.length}; mails: ${mails.length}`);
say(`orders with a mail: ${new Set(mails.map(({ orderId: id }) => id)).size}`);
for (const { text } of mails.slice(-3)) say(text);

title('Night: nothing was made and nothing lost');
const users = ['ann', 'ben', 'cleo', shop, fees];
let sum = 0;
for (const user of users) sum += (await credits.processor.balance(user)) ?? 0;
say(
  `paid in by cards, less payouts ${money(bank.total)}, spent on calls ${money(-call.amount)}, balances ${money(sum)}`,
);
say(`what is wrong in the file: ${(await storage.check()).length}`);

await credits.processor.shutdown();
outbox.close();
await rm(folder, { recursive: true });
