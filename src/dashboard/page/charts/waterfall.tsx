import type { OrderView, StepView } from '../../api.ts';
import { formatDuration } from '../data/format/times.ts';
import { countOf, wordsOf } from '../data/format/words.ts';
import { Badge, type Tone } from '../parts/badges.tsx';
import type { IconName } from '../parts/icons.tsx';
import { type Bar, type Segment, type Waterfall, waterfallOf } from './waterfall-bars.ts';

const kinds: Readonly<Record<Segment['kind'], string>> = {
  wait: 'wait',
  try: 'attempt',
  failed: 'failed attempt',
  pause: 'pause before the next attempt',
  ok: 'finished',
  running: 'running',
  undone: 'compensation',
  stopped: 'stopped',
};

interface WaterfallProps {
  readonly order: OrderView;
  readonly now: number;
}

/** The steps of an order over time. Each line says in words what its bar shows. */
export function WaterfallChart({ order, now }: WaterfallProps) {
  const waterfall = waterfallOf(order, now);
  const { bars, from, to, isWaitLeftOut } = waterfall;
  const isGuess = order.steps.some(({ isObserved, startedAt }) => !isObserved && startedAt);
  return (
    <div class="waterfall">
      <div class="waterfall-axis" aria-hidden="true">
        {[0, 0.25, 0.5, 0.75, 1].map((share) => (
          <span key={share}>{formatDuration((to - from) * share)}</span>
        ))}
      </div>
      <ol>
        {bars.map((bar) => (
          <BarLine
            key={`${bar.name} ${bar.isCompensation} ${bar.step === undefined}`}
            bar={bar}
            waterfall={waterfall}
          />
        ))}
      </ol>
      <Legend bars={bars} />
      {isWaitLeftOut && (
        <p class="small muted">
          The wait of {formatDuration(order.waitMs ?? 0)} before the first step is not drawn.
        </p>
      )}
      {isGuess && (
        <p class="small muted">
          This process did not see the order run: the durations are certain, when the steps began is
          not.
        </p>
      )}
    </div>
  );
}

interface LineProps {
  readonly bar: Bar;
  readonly waterfall: Waterfall;
}

function BarLine({ bar, waterfall: { from, to } }: LineProps) {
  const { name, segments, step, isCompensation } = bar;
  const share = (time: number): string => `${(100 * (time - from)) / (to - from)}%`;
  const isGuess = step?.isObserved === false;
  const first = segments[0]?.from;
  const last = segments.at(-1)?.to;
  return (
    <li class={isCompensation ? 'waterfall-line is-compensation' : 'waterfall-line'}>
      <div class="waterfall-name">
        {isCompensation ? (
          <span>
            compensation
            <span class="hidden-text">
              {' of '}
              <bdi>{name}</bdi>
            </span>
          </span>
        ) : (
          <bdi title={name}>{name}</bdi>
        )}
        <StepState bar={bar} />
      </div>
      <div class={isGuess ? 'waterfall-track is-guess' : 'waterfall-track'} aria-hidden="true">
        {segments.map((segment) => (
          <span
            key={`${segment.kind} ${segment.from}`}
            class={`segment ${segment.kind}`}
            title={`${kinds[segment.kind]}, ${formatDuration(segment.to - segment.from)}`}
            style={{
              left: share(segment.from),
              width: `max(3px, ${(100 * (segment.to - segment.from)) / (to - from)}%)`,
            }}
          />
        ))}
      </div>
      <div class="waterfall-time number">
        {first !== undefined && last !== undefined && formatDuration(last - first)}
      </div>
      <BarWords bar={bar} />
    </li>
  );
}

const states: Readonly<Record<StepView['status'], readonly [Tone, IconName]>> = {
  waiting: ['calm', 'pause'],
  running: ['accent', 'run'],
  paused: ['warn', 'pause'],
  ok: ['good', 'check'],
  error: ['bad', 'cross'],
  canceled: ['warn', 'stop'],
  skipped: ['calm', 'stop'],
  compensated: ['warn', 'retry'],
};

function StepState({ bar: { step, isCompensation } }: { readonly bar: Bar }) {
  if (step === undefined) return null;
  if (isCompensation) {
    const status = step.compensation?.status ?? 'ok';
    const [tone, icon] = states[status];
    return (
      <Badge tone={tone} icon={icon}>
        {status}
      </Badge>
    );
  }
  const [tone, icon] = states[step.status];
  return (
    <Badge tone={tone} icon={icon}>
      {step.status}
    </Badge>
  );
}

/** Attempts, codes and messages, as text below the bar. */
function BarWords({ bar: { step, isCompensation } }: { readonly bar: Bar }) {
  if (step === undefined) return null;
  const own = isCompensation ? step.compensation : step;
  if (own === undefined) return null;
  const { attempts, retries, code } = own;
  const { message, cause } = (isCompensation ? step.compensation : undefined) ?? {};
  const { progress } = isCompensation ? { progress: undefined } : step;
  return (
    <div class="waterfall-words small muted">
      {attempts > 1 && <span>{countOf(attempts, 'attempt')}</span>}
      {code !== undefined && (
        <span class="bad-text">
          <bdi>{wordsOf(code)}</bdi>
        </span>
      )}
      {message !== undefined && <bdi>{message}</bdi>}
      {cause !== undefined && cause.message !== message && (
        <bdi>
          {cause.name}: {cause.message}
        </bdi>
      )}
      {progress !== undefined && (
        <span>
          {Math.round(progress.fraction * 100)} % <bdi>{progress.label}</bdi>
        </span>
      )}
      {retries.length > 0 && (
        <details>
          <summary>Failed attempts</summary>
          <ol>
            {retries.map(({ attempt, code: why, message: words, pauseMs }) => (
              <li key={attempt}>
                Attempt {attempt}: <bdi class="bad-text">{wordsOf(why)}</bdi>, <bdi>{words}</bdi>
                <br />
                Then a pause of {formatDuration(pauseMs)}
              </li>
            ))}
          </ol>
        </details>
      )}
    </div>
  );
}

function Legend({ bars }: { readonly bars: readonly Bar[] }) {
  const shown = new Set(bars.flatMap(({ segments }) => segments.map(({ kind }) => kind)));
  return (
    <ul class="waterfall-legend small muted" aria-hidden="true">
      {[...shown].map((kind) => (
        <li key={kind}>
          <i class={`segment ${kind}`} />
          {kinds[kind]}
        </li>
      ))}
    </ul>
  );
}
