import assert from 'node:assert/strict';

/** All of it follows from the orders, so all of it is the same each time. */
export function checkCredits(output: string): void {
  assert.equal(output, expected);
}

const expected = `\
Top-up: a card is charged, and the credits come from outside
  cleo's card: card_declined
  ann 50.00, ben 20.00, cleo 0.00

Purchase: an item, then a voucher; the buyer pays the shop and a fee in one transaction
  ann has voucher V-1
  shop got 16.20
  fees got 1.80
  ben, while the vendor is closed: vendor_closed
  his item is back on the shelf, which has given out 1
  ann 32.00, ben 20.00, shop 16.20, fees 1.80

Call: the most that it can cost is ordered, and what it cost is paid
  ordered -3.00, paid -1.30
  ben 18.70

Transfer: both at once, and neither waits for the other
  ann 25.00, ben 25.70
  ben sends more than he has: insufficient_funds

Refund: by what the record of the purchase says, without a second charge or voucher
  asked for twice, done once: true
  vouchers left: V-2
  ann 43.00, shop 3.60, fees 2.40

Again: what failed for want of a vendor comes again, under an id that names the first one
  coffee~2, of coffee: completed
  coffee stays failed, and names coffee~2
  ben 14.70, shop 8.10, fees 2.90

Payout: one that fails holds the lane of its user, until an operator has it tried again
  ann's lane is held by payout: The bank is closed
  what waits behind it: pending
  the bank is open: completed, then completed
  ann 18.00, ben 19.70

Freeze: a lane stops, and a restart does not thaw it
  ben's transfer waits; ann's goes on: completed
  the restart ends the waiting for ben's transfer, and not the order: shut_down
  held after it: ben, because his card was stolen
  the transfer, when ben goes on: canceled
  ben 19.70, cleo 7.00

Subscription: ordered before the restart, due after it
  renewal-march-ann: completed
  ann 8.00, shop 11.10

Statement: each change of the balance in the order applied, those by others too
    50.00   50.00  top-up-1
   -18.00   32.00  ticket
   -10.00   22.00  gift
     3.00   25.00  debt
    18.00   43.00  refund:ticket
   -20.00   23.00  payout
    -5.00   18.00  thanks
    -7.00   11.00  rent
    -3.00    8.00  renewal-march-ann
  at the restart: 11.00

Outbox: one mail for each outcome, though its writer failed twice
  failed: 2; orders: 17; mails: 17
  orders with a mail: 17
  ann: transfer of -7.00 completed
  ben: transfer of -20.00 canceled (canceled)
  ann: renewal of -3.00 completed

Night: nothing was made and nothing lost
  paid in by cards, less payouts 50.00, spent on calls 1.30, balances 48.70
  what is wrong in the file: 0
`;
