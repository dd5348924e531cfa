import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Amount as AmountText } from '../../api.ts';
import { clock } from '../data/clock.ts';
import { formatAmount, formatChange } from '../data/format/amounts.ts';
import { formatExact, formatRelative, formatSecond } from '../data/format/times.ts';
import { linkTo } from '../data/router.ts';
import { session } from '../data/session.ts';
import { exactTimes } from '../data/settings.ts';
import { useStore } from '../data/store.ts';
import { Icon } from './icons.tsx';

/** What the host has set; until that is known, plain numbers. */
export function useCurrency() {
  const current = useStore(session);
  return current.state === 'ready' ? current.view.currency : { digits: 0 };
}

interface AmountProps {
  readonly amount: AmountText | undefined;
  /** Whether it was added, so that it has a sign. */
  readonly isChange?: boolean;
}

export function Amount({ amount, isChange = false }: AmountProps) {
  const currency = useCurrency();
  if (amount === undefined) return <span class="muted">none</span>;
  const text = isChange ? formatChange(amount, currency) : formatAmount(amount, currency);
  const tone = isChange && BigInt(amount) > 0n ? 'number amount-plus' : 'number';
  return (
    <span class={tone} title={`${amount} in minor units`}>
      {text}
    </span>
  );
}

/** How long ago, with the exact time at a pointer's rest, or by the choice of the person. */
export function Time({ at }: { readonly at: number | undefined }) {
  const now = useStore(clock);
  const isExact = useStore(exactTimes);
  if (at === undefined) return <span class="muted">not yet</span>;
  return (
    <time class="number nowrap" dateTime={new Date(at).toISOString()} title={formatExact(at)}>
      {isExact ? formatSecond(at) : formatRelative(at, now)}
    </time>
  );
}

interface IdProps {
  readonly id: string;
  /** What it leads to; without it, plain text. */
  readonly of?: 'order' | 'user';
  readonly isCopied?: boolean;
}

/** An id, cut by the room that there is; the whole one is in its title, and can be copied. */
export function Id({ id, of, isCopied = false }: IdProps) {
  const text = <bdi>{id}</bdi>;
  return (
    <span class="id" title={id}>
      {of === undefined ? text : <IdLink to={linkTo(of, { id })}>{text}</IdLink>}
      {isCopied && <CopyButton text={id} />}
    </span>
  );
}

function IdLink({ to, children }: { readonly to: string; readonly children: ComponentChildren }) {
  return (
    <a class="id" href={to}>
      {children}
    </a>
  );
}

const copiedMs = 1_500;

interface CopyButtonProps {
  readonly text: string;
  /** What is copied. */
  readonly what?: string;
}

export function CopyButton({ text, what = 'the whole id' }: CopyButtonProps) {
  const [isDone, setDone] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard?.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), copiedMs);
  };
  return (
    <button type="button" class="copy" onClick={() => void copy()} aria-label={`Copy ${what}`}>
      <Icon name={isDone ? 'check' : 'copy'} />
      <span class="hidden-text" role="status">
        {isDone ? 'Copied' : ''}
      </span>
    </button>
  );
}
