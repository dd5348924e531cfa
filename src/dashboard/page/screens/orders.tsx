import type { OrderFilter, OrderListPage } from '../../api.ts';
import { countOf } from '../data/format/words.ts';
import { useResource } from '../data/resource.ts';
import { goTo, linkTo, type Query } from '../data/router.ts';
import { useSeesAll } from '../data/session.ts';
import { ActionButton } from '../parts/acting/action-button.tsx';
import { planForFilter } from '../parts/acting/plans.ts';
import { Empty, Loaded } from '../parts/feedback.tsx';
import { Screen } from '../parts/panel.tsx';
import { Pager } from '../parts/table.tsx';
import { Time } from '../parts/values.tsx';
import { FilterForm } from './orders/filter-form.tsx';
import { filterOf } from './orders/filters.ts';
import { OrderTable } from './orders/order-table.tsx';

const rowsOnPage = 50;

/** All orders, by the filter and the cursor of the address, so that a link to what is seen can be shared. */
export function OrdersScreen({ query }: { readonly query: Query }) {
  const filter = filterOf(query);
  const { cursor } = query;
  const isOfAll = useSeesAll() || filter.userId !== undefined;
  const resource = useResource<OrderListPage>(isOfAll ? 'orders' : undefined, {
    ...filter,
    cursor,
    limit: rowsOnPage,
  });
  return (
    <Screen title="Orders" tools={isOfAll && <ForAll filter={filter} />}>
      <FilterForm key={JSON.stringify(filter)} filter={filter} />
      <div class="panel">
        {isOfAll ? (
          <Loaded from={resource}>
            {(page) => (
              <OrderPage page={page} query={{ ...filter, cursor }} reload={resource.reload} />
            )}
          </Loaded>
        ) : (
          <Empty icon="users" title="Say whose orders">
            You may see certain users: enter the id of one of them as “User”, or{' '}
            <a href={linkTo('users')}>choose one</a>.
          </Empty>
        )}
      </div>
    </Screen>
  );
}

/** Actions on all that the filter matches. */
function ForAll({ filter }: { readonly filter: OrderFilter }) {
  const { status } = filter;
  const isFiltered = Object.keys(filter).length > 0;
  const isOpen =
    isFiltered && (status === undefined || status === 'pending' || status === 'processing');
  const isEnded = status === 'failed' || status === 'canceled';
  return (
    <>
      {isEnded && <ActionButton plan={planForFilter('retry', filter)} />}
      {isOpen && <ActionButton plan={planForFilter('cancel', filter)} />}
    </>
  );
}

interface OrderPageProps {
  readonly page: OrderListPage;
  readonly query: Query;
  readonly reload: () => void;
}

function OrderPage({ page, query, reload }: OrderPageProps) {
  const { orders, cursor, searchedTo } = page;
  const isFiltered = Object.values(query).some((value) => value !== undefined);
  const { cursor: own, ...filter } = query;
  return (
    <>
      {orders.length > 0 ? (
        <OrderTable label="Orders, the one accepted last first" orders={orders} kind="all" />
      ) : (
        <Empty icon="orders" title={cursor === undefined ? 'No order' : 'No order in this part'}>
          <WhatToDo isFiltered={isFiltered} hasMore={cursor !== undefined} reload={reload} />
        </Empty>
      )}
      <Pager
        text={
          <>
            {countOf(orders.length, 'order')} on this page
            {searchedTo !== undefined && (
              <>
                ; looked at those accepted since <Time at={searchedTo} />
              </>
            )}
          </>
        }
        previousName="Newest"
        previous={own === undefined ? undefined : () => goTo('orders', filter)}
        next={cursor === undefined ? undefined : () => goTo('orders', { ...filter, cursor })}
      />
    </>
  );
}

interface WhatToDoProps {
  readonly isFiltered: boolean;
  readonly hasMore: boolean;
  readonly reload: () => void;
}

function WhatToDo({ isFiltered, hasMore, reload }: WhatToDoProps) {
  if (hasMore) return <>None matches so far. Older ones may: go on with “Older”.</>;
  if (isFiltered) {
    return (
      <>
        None matches these filters. <a href={linkTo('orders')}>Show all orders</a>
      </>
    );
  }
  return (
    <>
      Nothing has been accepted yet. Hand in an order, then{' '}
      <button type="button" class="button" onClick={reload}>
        look again
      </button>
    </>
  );
}
