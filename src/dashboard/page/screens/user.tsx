import { useEffect } from 'preact/hooks';
import type { UserView } from '../../api.ts';
import { remember } from '../data/recent-users.ts';
import { useResource } from '../data/resource.ts';
import { linkTo } from '../data/router.ts';
import { ActionButton } from '../parts/acting/action-button.tsx';
import { planToHold, planToRelease } from '../parts/acting/plans.ts';
import { Badge } from '../parts/badges.tsx';
import { Empty, Loaded } from '../parts/feedback.tsx';
import { Panel, Screen } from '../parts/panel.tsx';
import { Amount, Id } from '../parts/values.tsx';
import { HoldPanel } from './attention/hold-panel.tsx';
import { OrderTable } from './orders/order-table.tsx';
import { BalancePanel } from './user/balance-panel.tsx';
import { StatementPanel } from './user/statement-panel.tsx';

/** All of one user. */
export function UserScreen({ id }: { readonly id: string }) {
  const resource = useResource<UserView>('user', { id }, 'user', ({ userId }) => userId === id);
  const { data } = resource;
  const isKnown = data !== undefined;
  useEffect(() => {
    if (isKnown) remember(id);
  }, [id, isKnown]);
  return (
    <Screen
      kind="User"
      title={<Id id={id} isCopied />}
      beside={
        data?.hold && (
          <Badge tone="bad" icon="lanes">
            held
          </Badge>
        )
      }
      tools={
        <>
          <a class="button" href={linkTo('orders', { userId: id })}>
            All orders
          </a>
          <a class="button" href={linkTo('live', { userId: id })}>
            Live events
          </a>
          {data && <ActionButton plan={data.hold ? planToRelease(data.hold) : planToHold(id)} />}
        </>
      }
    >
      <Loaded from={resource}>{(view) => <User key={id} view={view} />}</Loaded>
    </Screen>
  );
}

function User({ view }: { readonly view: UserView }) {
  const { userId, balance, hold, running, waiting, hasMoreWaiting, scheduled, settled } = view;
  const orders = running.length + waiting.length + scheduled.length + settled.length;
  if (balance === undefined && orders === 0 && hold === undefined) {
    return (
      <div class="panel">
        <Empty icon="users" title="No order of this user">
          Nothing was accepted for this id. Ids are compared letter by letter; is it complete?
        </Empty>
      </div>
    );
  }
  const last = settled[0];
  return (
    <>
      {hold && <HoldPanel lane={hold} />}
      <div class="panel">
        <dl class="facts user-facts">
          <div>
            <dt>Balance</dt>
            <dd class="large">
              <Amount amount={balance} />
            </dd>
          </div>
          <Count name="Running" count={running.length} />
          <Count name="Waiting" count={waiting.length} hasMore={hasMoreWaiting} />
          <Count name="Scheduled" count={scheduled.length} />
        </dl>
      </div>
      <BalancePanel userId={userId} version={`${balance} ${last?.id}`} />
      <Panel
        title="Runs now, then waits in this order"
        isFlush={running.length + waiting.length > 0}
      >
        {running.length + waiting.length === 0 ? (
          <p class="muted">Nothing runs, and nothing waits.</p>
        ) : (
          <OrderTable
            label="Orders of the lane, the next one first"
            orders={[...running, ...waiting]}
            kind="lane"
          />
        )}
        {hasMoreWaiting && (
          <div class="pager">
            <a href={linkTo('orders', { userId, status: 'pending' })}>More orders wait</a>
          </div>
        )}
      </Panel>
      {scheduled.length > 0 && (
        <Panel title="Scheduled for later" isFlush>
          <OrderTable label="Scheduled orders" orders={scheduled} kind="scheduled" />
        </Panel>
      )}
      <StatementPanel userId={userId} version={`${balance} ${last?.id}`} />
      {settled.length > 0 && (
        <Panel title="Settled last" isFlush>
          <OrderTable label="Orders settled last" orders={settled} kind="user" />
        </Panel>
      )}
    </>
  );
}

interface CountProps {
  readonly name: string;
  readonly count: number;
  readonly hasMore?: boolean;
}

function Count({ name, count, hasMore = false }: CountProps) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="large">
        {count}
        {hasMore && '+'}
      </dd>
    </div>
  );
}
