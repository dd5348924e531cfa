import { countOf } from '../data/format/words.ts';

interface SparklineProps {
  /** The oldest first. */
  readonly counts: readonly number[];
  readonly label: string;
}

const barWidth = 3;
const gap = 1;
const height = 24;

/** Small bars, one a minute; what they say stands in their label as words. */
export function Sparkline({ counts, label }: SparklineProps) {
  const most = Math.max(1, ...counts);
  const width = counts.length * (barWidth + gap);
  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`${label}: ${wordsOfTrend(counts)}`}
    >
      <title>{wordsOfTrend(counts)}</title>
      {counts.map((count, at) => {
        const bar = count === 0 ? 1 : Math.max(3, (count / most) * height);
        return (
          <rect
            key={at}
            class={count === 0 ? 'none' : undefined}
            x={at * (barWidth + gap)}
            y={height - bar}
            width={barWidth}
            height={bar}
          />
        );
      })}
    </svg>
  );
}

const windowMinutes = 10;

/** What a person would read from the bars. */
export function wordsOfTrend(counts: readonly number[]): string {
  const sum = (part: readonly number[]): number => part.reduce((total, count) => total + count, 0);
  const recent = sum(counts.slice(-windowMinutes));
  const before = sum(counts.slice(-2 * windowMinutes, -windowMinutes));
  const change = recent > before ? 'more than' : recent < before ? 'fewer than' : 'as many as';
  return `${countOf(recent, 'time')} in the last ${windowMinutes} minutes, ${change} in the ${windowMinutes} before (${before})`;
}
