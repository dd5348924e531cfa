import { useEffect, useMemo, useState } from 'preact/hooks';
import type { BalancesView, CurrencyView } from '../../../api.ts';
import { LineChart } from '../../charts/line-chart.tsx';
import { serverNow } from '../../data/clock.ts';
import { formatAmount, formatTick, majorUnits } from '../../data/format/amounts.ts';
import { useResource } from '../../data/resource.ts';
import { Loaded } from '../../parts/feedback.tsx';
import { Panel } from '../../parts/panel.tsx';
import { type Column, Table } from '../../parts/table.tsx';
import { Amount, Time, useCurrency } from '../../parts/values.tsx';

const hourMs = 3_600_000;
const spans = [
  { name: '1 h', title: 'The last hour', ms: hourMs },
  { name: '24 h', title: 'The last day', ms: 24 * hourMs },
  { name: '7 d', title: 'The last week', ms: 7 * 24 * hourMs },
  { name: '30 d', title: 'The last 30 days', ms: 30 * 24 * hourMs },
] as const;

type Span = (typeof spans)[number];

interface BalancePanelProps {
  readonly userId: string;
  /** Changes when the balance may have. */
  readonly version: string;
}

/** A user's balance over time. */
export function BalancePanel({ userId, version }: BalancePanelProps) {
  const [span, setSpan] = useState<Span>(spans[1]);
  const to = useMemo(() => Math.ceil(serverNow() / 1_000) * 1_000, [version, span]);
  const resource = useResource<BalancesView>('balances', { id: userId, from: to - span.ms, to });
  const [shown, setShown] = useState<BalancesView>();
  useEffect(() => {
    if (resource.data !== undefined) setShown(resource.data);
  }, [resource.data]);
  const data = resource.data ?? (resource.error ? undefined : shown);
  return (
    <Panel
      title="Balance over time"
      tools={
        // biome-ignore lint/a11y/useSemanticElements: a fieldset would draw a frame.
        <div class="segmented" role="group" aria-label="Span">
          {spans.map((each) => (
            <button
              key={each.name}
              type="button"
              class="button"
              title={each.title}
              aria-pressed={each === span}
              onClick={() => setSpan(each)}
            >
              {each.name}
            </button>
          ))}
        </div>
      }
    >
      <Loaded from={{ ...resource, data }}>{(view) => <Balances view={view} />}</Loaded>
    </Panel>
  );
}

type Point = BalancesView['points'][number];

const columns: readonly Column<Point>[] = [
  { name: 'When', cell: ({ at }) => <Time at={at} /> },
  { name: 'Balance', kind: 'amount', cell: ({ balance }) => <Amount amount={balance} /> },
];

const mostRows = 100;

function Balances({ view }: { readonly view: BalancesView }) {
  const currency = useCurrency();
  const { times, lines, label, tick } = useMemo(() => chartOf(view, currency), [view, currency]);
  const known = view.points.filter(({ balance }) => balance !== undefined);
  if (known.length === 0) return <p class="muted">No balance is known of this time.</p>;
  return (
    <>
      <LineChart label={label} times={times} lines={lines} tick={tick} height={220} isStepped />
      {!view.isExact && (
        <p class="small muted">Samples at even distances: there were too many changes for each.</p>
      )}
      <details class="as-table">
        <summary>As a table</summary>
        <Table
          label="Balance over time"
          columns={columns}
          rows={known.slice(-mostRows).reverse()}
          keyOf={({ at }) => String(at)}
        />
      </details>
    </>
  );
}

/** The last balance holds until the end of the chart. */
function chartOf(view: BalancesView, currency: CurrencyView) {
  const { to, points } = view;
  const last = points.at(-1);
  const begin = beginOf(view);
  const all: Point[] = points.filter(({ at }) => at > begin);
  all.unshift({ ...points.findLast(({ at }) => at <= begin), at: begin });
  if (last !== undefined && last.at < to) all.push({ ...last, at: to });
  const text = (balance: string | undefined): string =>
    balance === undefined ? 'none' : formatAmount(balance, currency);
  const known = points.flatMap(({ balance }) => (balance === undefined ? [] : [BigInt(balance)]));
  const sorted = known.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const least = sorted[0];
  const most = sorted.at(-1);
  return {
    times: all.map(({ at }) => at),
    lines: [
      {
        name: 'Balance',
        ink: 'accent' as const,
        values: all.map(({ balance }) =>
          balance === undefined ? null : majorUnits(balance, currency),
        ),
        text: (at: number) => text(all[at]?.balance),
      },
    ],
    label: `Balance over time: ${text(last?.balance)} now; from ${text(least?.toString())} to ${text(most?.toString())}`,
    tick: (value: number) => formatTick(value, currency),
  };
}

/** Of a new user the time before the first order says nothing: the chart begins shortly before that. */
function beginOf({ from, to, points }: BalancesView): number {
  const first = points.find(({ balance }) => balance !== undefined && balance !== '0');
  if (first === undefined) return from;
  return Math.max(from, Math.floor(first.at - (to - first.at) / 10) - 1_000);
}
