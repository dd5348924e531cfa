import uPlot from 'uplot';
import { formatClock } from '../data/format/times.ts';

export interface ChartSettings {
  /** A colour for each line. */
  readonly inks: readonly string[];
  readonly tick: (value: number) => string;
  readonly height: number;
  readonly isStepped: boolean;
  readonly isFromZero: boolean;
}

/** What is drawn on a canvas gets the colours and the type of the page around it. */
export function chartOptions(
  element: HTMLElement,
  { inks, tick, height, isStepped, isFromZero }: ChartSettings,
  onPoint: (at: number | undefined) => void,
): uPlot.Options {
  const axis = {
    stroke: colorOf(element, 'muted'),
    font: `11px ${getComputedStyle(element).fontFamily}`,
    grid: { stroke: colorOf(element, 'line'), width: 1 },
    ticks: { show: false },
  };
  const stepped = isStepped ? uPlot.paths.stepped?.({ align: 1 }) : undefined;
  return {
    width: element.clientWidth,
    height,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, y: false, points: { size: 6 } },
    scales: { y: { range: (_chart, least, most) => rangeOf(least, most, isFromZero) } },
    axes: [
      {
        ...axis,
        size: 24,
        space: 70,
        grid: { show: false },
        values: (_chart, splits, _axis, _space, stepS) => splits.map((at) => timeTick(at, stepS)),
      },
      {
        ...axis,
        size: (_chart, values) => Math.max(34, 14 + 6.5 * longest(values)),
        space: 32,
        values: (_chart, splits) => splits.map(tick),
      },
    ],
    series: [
      {},
      ...inks.map((ink) => {
        const stroke = colorOf(element, ink);
        const fill =
          inks.length === 1 ? `color-mix(in srgb, ${stroke} 14%, transparent)` : undefined;
        return {
          stroke,
          width: 1.75,
          points: { show: false },
          ...(fill && { fill }),
          ...(stepped && { paths: stepped }),
        };
      }),
    ],
    hooks: {
      setCursor: [({ cursor }) => onPoint(cursor.idx ?? undefined)],
    },
  };
}

const daySeconds = 86_400;
const days = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });

/** The time of day, or the day where that says more. */
function timeTick(atS: number, stepS: number): string {
  const date = new Date(atS * 1_000);
  const isDay = stepS >= daySeconds || (date.getHours() === 0 && date.getMinutes() === 0);
  if (isDay) return days.format(date);
  return formatClock(date).slice(0, stepS < 60 ? 8 : 5);
}

/** Some room above and below; a line that never changes stands in the middle. */
function rangeOf(least: number | null, most: number | null, isFromZero: boolean): [number, number] {
  const low = isFromZero ? Math.min(0, least ?? 0) : (least ?? 0);
  const high = most ?? 1;
  if (low === high) return isFromZero ? [0, Math.max(1, high * 2)] : [low - 1, high + 1];
  const room = (high - low) * 0.08;
  return [isFromZero && low === 0 ? 0 : low - room, high + room];
}

function longest(values: readonly string[] | null): number {
  return Math.max(1, ...(values ?? []).map(({ length }) => length));
}

/** A colour as a canvas takes it: what the style sheet says of it, for the theme that is shown. */
function colorOf(element: HTMLElement, ink: string): string {
  const probe = document.createElement('span');
  probe.className = `ink-${ink}`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
