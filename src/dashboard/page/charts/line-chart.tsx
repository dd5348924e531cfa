import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { formatSecond } from '../data/format/times.ts';
import { colors } from '../data/settings.ts';
import { useStore } from '../data/store.ts';
import { chartOptions } from './chart-options.ts';

export type Ink = 'accent' | 'good' | 'bad' | 'warn' | 'calm';

/** One line. */
export interface Line {
  readonly name: string;
  readonly ink: Ink;
  /** For each time; `null`: not known. */
  readonly values: readonly (number | null)[];
  /** The value at a place, for people; exact even where the line is rounded. */
  readonly text: (at: number) => string;
}

interface LineChartProps {
  /** What the chart shows, with what a person would read from it. */
  readonly label: string;
  /** Unix milliseconds, ascending. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly tick: (value: number) => string;
  readonly height: number;
  /** Whether a value holds until the next one. */
  readonly isStepped?: boolean;
  /** Whether the axis begins at 0. */
  readonly isFromZero?: boolean;
}

/** Lines over time, with the values under the pointer, or the last ones. */
export function LineChart(props: LineChartProps) {
  const { label, times, lines, height } = props;
  const frame = useRef<HTMLDivElement>(null);
  const [pointed, setPointed] = useState<number>();
  const shown = pointed ?? times.length - 1;
  useChart(frame, props, setPointed);
  return (
    <figure class="chart">
      <figcaption class="chart-legend">
        {lines.map(({ name, ink, text }) => (
          <span key={name} class={`ink-${ink}`}>
            <i aria-hidden="true" />
            <span class="muted">{name}</span> <b>{times.length > 0 ? text(shown) : ''}</b>
          </span>
        ))}
        <span class="muted chart-time">
          {pointed !== undefined && formatSecond(times[pointed] as number)}
        </span>
      </figcaption>
      <div ref={frame} class="chart-frame" role="img" aria-label={label} style={{ height }} />
    </figure>
  );
}

function useChart(
  frame: { readonly current: HTMLDivElement | null },
  { times, lines, tick, height, isStepped = false, isFromZero = false }: LineChartProps,
  onPoint: (at: number | undefined) => void,
): void {
  const chart = useRef<uPlot>(undefined);
  const theme = useStore(colors);
  const data = useMemo(
    () => [times.map((time) => time / 1_000), ...lines.map(({ values }) => values)],
    [times, lines],
  ) as unknown as uPlot.AlignedData;
  const latest = useRef(data);
  latest.current = data;
  const inks = lines.map(({ ink }) => ink).join(' ');

  useEffect(() => {
    const { current: element } = frame;
    if (element === null) return undefined;
    const settings = { inks: inks.split(' ') as Ink[], tick, height, isStepped, isFromZero };
    const options = chartOptions(element, settings, onPoint);
    const own = new uPlot(options, latest.current, element);
    chart.current = own;
    const observer = new ResizeObserver(() => {
      own.setSize({ width: element.clientWidth, height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      own.destroy();
      chart.current = undefined;
    };
  }, [frame, theme, inks, tick, height, isStepped, isFromZero, onPoint]);

  useEffect(() => {
    if (chart.current?.data !== data) chart.current?.setData(data);
  }, [data]);
}
