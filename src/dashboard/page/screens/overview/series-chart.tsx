import { useMemo } from 'preact/hooks';
import type { PointView } from '../../../api.ts';
import { type Ink, LineChart } from '../../charts/line-chart.tsx';
import { Panel } from '../../parts/panel.tsx';

interface SeriesLine {
  readonly name: string;
  readonly ink: Ink;
  readonly field: Exclude<keyof PointView, 'at'>;
}

interface SeriesChartProps {
  readonly title: string;
  readonly points: readonly PointView[];
  readonly lines: readonly SeriesLine[];
  readonly format: (value: number) => string;
  /** On the axis; as `format` by default. */
  readonly tick?: (value: number) => string;
}

/** One measure of the last hour. */
export function SeriesChart({ title, points, lines, format, tick = format }: SeriesChartProps) {
  const times = useMemo(() => points.map(({ at }) => at), [points]);
  const drawn = useMemo(
    () =>
      lines.map(({ name, ink, field }) => {
        const values = points.map((point) => point[field] ?? null);
        return { name, ink, values, text: (at: number) => textOf(values[at], format) };
      }),
    [points, lines, format],
  );
  const words = drawn.map(({ name, values }) => {
    const known = values.filter((value) => value !== null);
    const most = known.length === 0 ? undefined : Math.max(...known);
    return `${name} ${textOf(values.at(-1), format)} now, at most ${textOf(most, format)}`;
  });
  return (
    <Panel title={title}>
      <LineChart
        label={`${title}, the last hour: ${words.join('; ')}`}
        times={times}
        lines={drawn}
        tick={tick}
        height={150}
        isFromZero
      />
    </Panel>
  );
}

function textOf(value: number | null | undefined, format: (value: number) => string): string {
  return value === null || value === undefined ? 'not known' : format(value);
}
