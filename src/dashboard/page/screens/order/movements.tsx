import type { OrderView, PostingView } from '../../../api.ts';
import { Panel } from '../../parts/panel.tsx';
import { type Column, Table } from '../../parts/table.tsx';
import { Amount, Id } from '../../parts/values.tsx';

type Movement = PostingView & { readonly at: number };

const columns: readonly Column<Movement>[] = [
  { name: 'User', kind: 'head', cell: ({ userId }) => <Id id={userId} of="user" /> },
  { name: 'Change', kind: 'amount', cell: ({ amount }) => <Amount amount={amount} isChange /> },
];
const after: Column<Movement> = {
  name: 'Balance after',
  kind: 'amount',
  cell: ({ balance }) =>
    balance === undefined ? <span class="muted">not shown</span> : <Amount amount={balance} />,
};

/** What an order did to balances, or would do. */
export function MovementsPanel({ order }: { readonly order: OrderView }) {
  const { status, userId, amount, orderedAmount, balance, postings } = order;
  const isDone = status === 'completed';
  const isOpen = status === 'pending' || status === 'processing';
  const own: Movement = {
    at: -1,
    userId,
    amount,
    orderedAmount,
    ...(balance !== undefined && { balance }),
  };
  const rows = [own, ...postings.map((posting, at) => ({ ...posting, at }))];
  const title = isDone
    ? 'What it did to balances'
    : isOpen
      ? 'What it is to do to balances'
      : 'What it would have done to balances';
  return (
    <Panel title={title} isFlush>
      <Table
        label={title}
        columns={isDone ? [...columns, after] : columns}
        rows={rows}
        keyOf={({ at }) => String(at)}
      />
      {!isDone && (
        <div class="pager">
          <span class="muted small">
            {isOpen
              ? 'Nothing is applied before it has completed.'
              : 'Nothing was applied: it did not complete.'}
          </span>
        </div>
      )}
    </Panel>
  );
}
