import { Store } from './store.ts';

export type Theme = 'system' | 'light' | 'dark';

/** What a person has chosen, kept by the browser. */
export const theme = new Store<Theme>(readTheme());

/** Whether tables show exact times instead of relative ones. */
export const exactTimes = new Store<boolean>(read('exact-times') === 'yes');

/** Changes whenever colours do, for what is drawn and not styled. */
export const colors = new Store<object>({});

function readTheme(): Theme {
  const kept = read('theme');
  return kept === 'light' || kept === 'dark' ? kept : 'system';
}

/** A browser may forbid storage; then choices last as long as the page. */
function read(name: string): string | null {
  try {
    return localStorage.getItem(`order-processor.${name}`);
  } catch {
    return null;
  }
}

function keep(name: string, value: string): void {
  try {
    localStorage.setItem(`order-processor.${name}`, value);
  } catch {
    // See `read`.
  }
}

/** Begins to apply the choices, and to keep them. */
export function applySettings(): void {
  const apply = (): void => {
    const { documentElement } = document;
    if (theme.value === 'system') delete documentElement.dataset.theme;
    else documentElement.dataset.theme = theme.value;
    colors.set({});
  };
  apply();
  theme.subscribe(() => {
    keep('theme', theme.value);
    apply();
  });
  exactTimes.subscribe(() => keep('exact-times', exactTimes.value ? 'yes' : 'no'));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', apply);
}
