import type { ComponentChildren } from 'preact';
import type { OrderView } from '../../../api.ts';
import { formatDuration } from '../../data/format/times.ts';
import { Badge, Labels } from '../../parts/badges.tsx';
import { Fact } from '../../parts/panel.tsx';
import { Amount, Id, Time } from '../../parts/values.tsx';

/** What there is to know of an order beside its steps. */
export function OrderFacts({ order }: { readonly order: OrderView }) {
  const { userId, amount, orderedAmount, balance, priority, labels, status } = order;
  const isOtherAmount = amount !== orderedAmount;
  return (
    <div class="panel">
      <dl class="facts user-facts">
        <Fact name={status === 'completed' ? 'Amount' : 'Ordered amount'} isLarge>
          <Amount amount={amount} isChange />
        </Fact>
        {isOtherAmount && (
          <Fact name="Was ordered as">
            <Amount amount={orderedAmount} isChange />
          </Fact>
        )}
        {balance !== undefined && (
          <Fact name="Balance after" isLarge>
            <Amount amount={balance} />
          </Fact>
        )}
        <Fact name="User">
          <Id id={userId} of="user" />
        </Fact>
        <Times order={order} />
        <Fact name="Priority">{priority}</Fact>
        {labels.length > 0 && (
          <Fact name="Labels">
            <Labels labels={labels} />
          </Fact>
        )}
        <Links order={order} />
      </dl>
    </div>
  );
}

function Times({ order }: { readonly order: OrderView }) {
  const { acceptedAt, notBefore, expiresAt, startedAt, settledAt, isStalled } = order;
  const { waitMs, durationMs } = order;
  return (
    <>
      <Fact name="Accepted">
        <Time at={acceptedAt} />
      </Fact>
      <When name="Not before" at={notBefore} />
      <When name="Expires" at={settledAt === undefined ? expiresAt : undefined} />
      {waitMs !== undefined && (
        <Fact name={startedAt === undefined ? 'Has waited' : 'Waited'}>
          {formatDuration(waitMs)}
        </Fact>
      )}
      {durationMs !== undefined && (
        <Fact name={settledAt === undefined ? 'Has run' : 'Ran'}>{formatDuration(durationMs)}</Fact>
      )}
      <When name="Settled" at={settledAt} />
      {isStalled === true && (
        <Fact name="Stalled">
          <Badge tone="bad">holds its user for too long</Badge>
        </Fact>
      )}
    </>
  );
}

function When({ name, at }: { readonly name: string; readonly at: number | undefined }) {
  if (at === undefined) return null;
  return (
    <Fact name={name}>
      <Time at={at} />
    </Fact>
  );
}

function Links({
  order: { retryOf, retriedAs },
}: {
  readonly order: OrderView;
}): ComponentChildren {
  return (
    <>
      {retryOf !== undefined && (
        <Fact name="Retry of">
          <Id id={retryOf} of="order" />
        </Fact>
      )}
      {retriedAs !== undefined && (
        <Fact name="Retried as">
          <Id id={retriedAs} of="order" />
        </Fact>
      )}
    </>
  );
}
