import { useEffect, useState } from 'preact/hooks';
import type { MovementView, StatementPage } from '../../../api.ts';
import { useResource } from '../../data/resource.ts';
import { Loaded } from '../../parts/feedback.tsx';
import { Panel } from '../../parts/panel.tsx';
import { type Column, Pager, Table } from '../../parts/table.tsx';
import { Amount, Id, Time } from '../../parts/values.tsx';

const columns: readonly Column<MovementView>[] = [
  { name: 'Settled', cell: ({ settledAt }) => <Time at={settledAt} /> },
  {
    name: 'Order',
    kind: 'id',
    cell: ({ orderId }) =>
      orderId === undefined ? (
        <span class="muted">of another user</span>
      ) : (
        <Id id={orderId} of="order" />
      ),
  },
  { name: 'Change', kind: 'amount', cell: ({ amount }) => <Amount amount={amount} isChange /> },
  { name: 'Balance after', kind: 'amount', cell: ({ balance }) => <Amount amount={balance} /> },
];

const rowsOnPage = 25;

interface StatementPanelProps {
  readonly userId: string;
  /** Changes when there may be another movement. */
  readonly version: string;
}

/** Each change of a user's balance, with the balance after it. */
export function StatementPanel({ userId, version }: StatementPanelProps) {
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const cursor = cursors.at(-1);
  const resource = useResource<StatementPage>('statement', {
    id: userId,
    limit: rowsOnPage,
    cursor,
  });
  const { reload } = resource;
  useEffect(() => {
    if (cursor === undefined && resource.data !== undefined) reload();
  }, [version]);
  return (
    <Panel title="Statement" isFlush>
      <Loaded from={resource}>
        {({ movements, cursor: next, isForgotten }) =>
          movements.length === 0 && cursor === undefined ? (
            <div class="panel-body">
              <p class="muted">No order has changed the balance yet.</p>
            </div>
          ) : (
            <>
              <Table
                label="Statement, the last change first"
                columns={columns}
                rows={movements}
                keyOf={({ sequence, orderId }) => `${sequence} ${orderId}`}
              />
              <Pager
                text={
                  isForgotten && next === undefined
                    ? 'What was before has been pruned from the storage.'
                    : cursors.length > 0 && `Page ${cursors.length + 1}`
                }
                previous={cursors.length === 0 ? undefined : () => setCursors(cursors.slice(0, -1))}
                next={next === undefined ? undefined : () => setCursors([...cursors, next])}
              />
            </>
          )
        }
      </Loaded>
    </Panel>
  );
}
