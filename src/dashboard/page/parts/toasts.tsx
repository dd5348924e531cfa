import { Store, useStore } from '../data/store.ts';
import { Icon } from './icons.tsx';

interface Toast {
  readonly id: number;
  readonly tone: 'good' | 'warn' | 'bad';
  readonly title: string;
  readonly lines: readonly string[];
}

const shownMs = 12_000;
const most = 4;
const toasts = new Store<readonly Toast[]>([]);
let lastId = 0;

/** Says what an action did. */
export function say(tone: Toast['tone'], title: string, lines: readonly string[] = []): void {
  lastId += 1;
  const toast = { id: lastId, tone, title, lines };
  toasts.set([...toasts.value, toast].slice(-most));
  // What went wrong stays until it is closed.
  if (tone === 'good') setTimeout(() => close(toast.id), shownMs);
}

function close(id: number): void {
  toasts.set(toasts.value.filter((toast) => toast.id !== id));
}

export function Toasts() {
  const all = useStore(toasts);
  return (
    <div class="toasts" role="log" aria-live="polite" aria-label="What was done">
      {all.map(({ id, tone, title, lines }) => (
        <div class={`toast ${tone}`} key={id}>
          <div>
            <strong>{title}</strong>
            {lines.map((line) => (
              <p class="small muted" key={line}>
                <bdi>{line}</bdi>
              </p>
            ))}
          </div>
          <button type="button" class="copy" aria-label="Close" onClick={() => close(id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
