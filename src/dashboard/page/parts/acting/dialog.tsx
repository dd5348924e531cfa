import { useEffect, useRef, useState } from 'preact/hooks';
import type { ActionResult, PreviewView } from '../../../api.ts';
import { countOf, formatCount } from '../../data/format/words.ts';
import { post } from '../../data/requests.ts';
import { reloadAll } from '../../data/resource.ts';
import { Store, useStore } from '../../data/store.ts';
import { say } from '../toasts.tsx';
import { type Given, type Plan, uncompensated } from './plans.ts';
import { wordsOfAction, wordsOfFailures } from './results.ts';

const planned = new Store<Plan | undefined>(undefined);

/** Opens the dialog that explains an action, and does it when it is confirmed. */
export function confirm(plan: Plan): void {
  // Another object each time, so that the end of one dialog is not taken for the end of the next.
  planned.set({ ...plan });
}

/** The one dialog of the page. */
export function ActionDialog() {
  const plan = useStore(planned);
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (plan !== undefined) dialog.current?.showModal();
  }, [plan]);
  if (plan === undefined) return null;
  const close = (): void => {
    dialog.current?.close();
    planned.set(undefined);
  };
  return (
    <dialog
      class="dialog"
      ref={dialog}
      aria-labelledby="dialog-title"
      aria-describedby="dialog-text"
      onClose={() => {
        if (planned.value === plan) planned.set(undefined);
      }}
    >
      <Confirmation key={plan.title} plan={plan} close={close} />
    </dialog>
  );
}

function Confirmation({ plan, close }: { readonly plan: Plan; readonly close: () => void }) {
  const [then, setThen] = useState<Given['then']>('retry');
  const [reason, setReason] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const found = usePreview(plan, setError);
  const count = plan.preview === undefined ? 1 : found?.count;
  const isReady = !isBusy && count !== undefined && count > 0;

  const act = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (!isReady) return;
    setBusy(true);
    setError(undefined);
    try {
      const result = await post<ActionResult>('act', plan.request({ then, reason, found }));
      const isWhole = result.failures.length === 0;
      const tone = isWhole ? 'good' : result.done > 0 ? 'warn' : 'bad';
      say(tone, wordsOfAction(result), wordsOfFailures(result));
      close();
      reloadAll();
    } catch (thrown) {
      setError((thrown as Error).message);
      setBusy(false);
    }
  };

  return (
    <form onSubmit={(event) => void act(event)}>
      <h2 id="dialog-title">{plan.title}</h2>
      <p id="dialog-text" class="muted">
        {plan.explanation}
      </p>
      <Warning text={plan.warning ?? warningOf(found)} />
      <Targets plan={plan} found={found} hasError={error !== undefined} />
      {plan.asks === 'then' && <ThenChoice then={then} onChange={setThen} />}
      {plan.asks === 'reason' && (
        <div class="field">
          <label for="dialog-reason">Why (optional; other operators see it)</label>
          <input
            id="dialog-reason"
            class="input"
            maxLength={200}
            value={reason}
            onInput={({ currentTarget }) => setReason(currentTarget.value)}
          />
        </div>
      )}
      {error !== undefined && (
        <div class="banner bad" role="alert">
          <p>
            <bdi>{error}</bdi>
          </p>
        </div>
      )}
      <div class="dialog-buttons">
        <button type="button" class="button" onClick={close}>
          Back
        </button>
        <button
          type="submit"
          class={plan.isDanger ? 'button danger' : 'button primary'}
          aria-disabled={!isReady}
        >
          {isBusy ? 'Working…' : plan.confirm(count ?? 0)}
        </button>
      </div>
    </form>
  );
}

function Warning({ text }: { readonly text: string | undefined }) {
  if (text === undefined) return null;
  return (
    <div class="banner warn" role="alert">
      <p>{text}</p>
    </div>
  );
}

function warningOf(found: PreviewView | undefined): string | undefined {
  const count = found?.uncompensated ?? 0;
  if (count === 0) return undefined;
  return `A compensation of ${countOf(count, 'order')} among them failed: ${uncompensated}`;
}

/** What a filter matches now, found once: what was shown is what is done. */
function usePreview(plan: Plan, onError: (message: string) => void): PreviewView | undefined {
  const [found, setFound] = useState<PreviewView>();
  useEffect(() => {
    if (plan.preview === undefined) return;
    post<PreviewView>('preview', plan.preview)
      .then(setFound)
      .catch(({ message }: Error) => onError(message));
  }, [plan, onError]);
  return found;
}

interface TargetsProps {
  readonly plan: Plan;
  readonly found: PreviewView | undefined;
  readonly hasError: boolean;
}

function Targets({ plan, found, hasError }: TargetsProps) {
  if (plan.preview === undefined) return <TargetList ids={plan.targets ?? []} />;
  if (found === undefined) return hasError ? null : <p role="status">Counting…</p>;
  const { count, hasMore, lanes } = found;
  const what = plan.preview.action === 'release' ? 'lane' : 'order';
  const ids = lanes?.map(({ userId }) => userId) ?? found.orderIds ?? [];
  return (
    <>
      <p role="status">
        {count === 0 ? (
          `None matches now.`
        ) : (
          <>
            <strong>{countOf(count, what)}</strong> {count === 1 ? 'matches' : 'match'} now
            {hasMore &&
              `, and there may be more: do it once more after these ${formatCount(count)}`}
            .
          </>
        )}
      </p>
      <TargetList ids={ids} />
    </>
  );
}

const mostShown = 50;

function TargetList({ ids }: { readonly ids: readonly string[] }) {
  if (ids.length === 0) return null;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys.
    <ul class="dialog-list mono" tabIndex={0} aria-label="For">
      {ids.slice(0, mostShown).map((id) => (
        <li key={id}>
          <bdi>{id}</bdi>
        </li>
      ))}
      {ids.length > mostShown && <li>and {formatCount(ids.length - mostShown)} more</li>}
    </ul>
  );
}

interface ThenProps {
  readonly then: Given['then'];
  readonly onChange: (then: Given['then']) => void;
}

function ThenChoice({ then, onChange }: ThenProps) {
  return (
    <fieldset class="choices">
      <legend>What becomes of the failed order?</legend>
      <label>
        <input
          type="radio"
          name="then"
          checked={then === 'retry'}
          onChange={() => onChange('retry')}
        />
        Retry it first
        <small>It runs again, before the other orders of its user.</small>
      </label>
      <label>
        <input
          type="radio"
          name="then"
          checked={then === 'skip'}
          onChange={() => onChange('skip')}
        />
        Skip it
        <small>It stays failed, and the next order of its user begins.</small>
      </label>
    </fieldset>
  );
}
