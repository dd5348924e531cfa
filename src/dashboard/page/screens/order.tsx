import type { OrderView } from '../../api.ts';
import { WaterfallChart } from '../charts/waterfall.tsx';
import { clock } from '../data/clock.ts';
import { useResource } from '../data/resource.ts';
import { linkTo } from '../data/router.ts';
import { useStore } from '../data/store.ts';
import { ActionButton } from '../parts/acting/action-button.tsx';
import { planForOrder } from '../parts/acting/plans.ts';
import { Code, StatusBadge } from '../parts/badges.tsx';
import { Empty, ErrorNote, Skeleton } from '../parts/feedback.tsx';
import { Panel, Screen } from '../parts/panel.tsx';
import { Id } from '../parts/values.tsx';
import { HoldPanel } from './attention/hold-panel.tsx';
import { OrderFacts } from './order/facts.tsx';
import { JsonPanel } from './order/json-panel.tsx';
import { MovementsPanel } from './order/movements.tsx';

/** All of one order. */
export function OrderScreen({ id }: { readonly id: string }) {
  const { data, error, reload } = useResource<OrderView>(
    'order',
    { id },
    'order',
    (order) => order.id === id,
  );
  const isUnknown = data === undefined && error?.code === 'not_found';
  return (
    <Screen
      kind="Order"
      title={<Id id={id} isCopied />}
      beside={data && <StatusBadge status={data.status} />}
      tools={
        <>
          <a class="button" href={linkTo('live', { orderId: id })}>
            Live events
          </a>
          {data && <OrderActions order={data} />}
        </>
      }
    >
      {error && !isUnknown && <ErrorNote message={error.message} onRetry={reload} />}
      {isUnknown && (
        <div class="panel">
          <Empty icon="orders" title="No order has this id">
            It was never accepted, or the storage has pruned it. Ids are compared letter by letter;
            is it complete?
          </Empty>
        </div>
      )}
      {data ? <Order order={data} /> : !error && <Skeleton />}
    </Screen>
  );
}

function OrderActions({ order }: { readonly order: OrderView }) {
  const { id, status, steps, retriedAs, hold, isRetryable } = order;
  const isOpen = status === 'pending' || status === 'processing';
  const hasFailedCompensation = steps.some(({ compensation }) => compensation?.status === 'error');
  const mayHelp = hold === undefined && isRetryable !== false && !hasFailedCompensation;
  return (
    <>
      {isOpen && <ActionButton plan={planForOrder('cancel', id)} />}
      {(status === 'failed' || status === 'canceled') && retriedAs === undefined && (
        <ActionButton plan={planForOrder('retry', id, hasFailedCompensation)} isPrimary={mayHelp} />
      )}
      {!isOpen && hasFailedCompensation && <ActionButton plan={planForOrder('compensate', id)} />}
    </>
  );
}

function Order({ order }: { readonly order: OrderView }) {
  const { hold, code, payload } = order;
  // Of an order that runs, nothing has been returned yet.
  const results = order.results?.text === '{}' ? undefined : order.results;
  return (
    <>
      {hold && <HoldPanel lane={hold} shownOrderId={order.id} />}
      {code !== undefined && hold === undefined && <WhyPanel order={order} code={code} />}
      <OrderFacts order={order} />
      <StepsPanel order={order} />
      <MovementsPanel order={order} />
      {(payload ?? results) && (
        <div class="columns">
          {payload && <JsonPanel title="Payload" json={payload} />}
          {results && <JsonPanel title="Results of steps" json={results} />}
        </div>
      )}
    </>
  );
}

interface WhyProps {
  readonly order: OrderView;
  readonly code: string;
}

function WhyPanel({ order: { status, message, cause, isRetryable }, code }: WhyProps) {
  return (
    <Panel
      title={status === 'canceled' ? 'Why it was canceled' : 'Why it failed'}
      tone={status === 'canceled' ? 'warn' : 'bad'}
    >
      <p>
        <strong class="bad-text">
          <Code code={code} />
        </strong>{' '}
        <bdi>{message}</bdi>
      </p>
      {cause && cause.message !== message && (
        <p class="muted">
          <bdi>
            {cause.name}: {cause.message}
          </bdi>
        </p>
      )}
      {isRetryable !== undefined && (
        <p class="muted small">
          {isRetryable ? 'Trying again may help.' : 'Trying again as it is will not help.'}
        </p>
      )}
    </Panel>
  );
}

function StepsPanel({ order }: { readonly order: OrderView }) {
  const { steps, settledAt } = order;
  return (
    <Panel title="Steps">
      {steps.length === 0 ? (
        <p class="muted">{noStepsText(order)}</p>
      ) : settledAt === undefined ? (
        <RunningSteps order={order} />
      ) : (
        <WaterfallChart order={order} now={settledAt} />
      )}
    </Panel>
  );
}

function noStepsText({ status, hold }: OrderView): string {
  if (hold !== undefined)
    return 'It failed, and holds its lane: a release says what becomes of it.';
  return status === 'pending' ? 'It waits for its turn.' : 'No step of it is known.';
}

/** The bars of what runs grow with the time. */
function RunningSteps({ order }: { readonly order: OrderView }) {
  const now = useStore(clock);
  return <WaterfallChart order={order} now={Math.max(now, order.now)} />;
}
