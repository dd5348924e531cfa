import type { SessionView } from '../../api.ts';
import { setServerTime } from './clock.ts';
import { get, setToken, signedOut, token } from './requests.ts';
import { Store, useStore } from './store.ts';

/** Who looks, as far as that is known. */
export type Session =
  | { readonly state: 'loading' }
  /** The first request had no answer. */
  | { readonly state: 'unreachable'; readonly message: string }
  | {
      readonly state: 'signed out';
      readonly signInUrl: string | undefined;
      /** Whether this person was signed in before, or has given a token that is not accepted. */
      readonly reason: 'needed' | 'rejected' | 'ended';
    }
  | { readonly state: 'ready'; readonly view: SessionView };

export const session = new Store<Session>({ state: 'loading' });

/** Asks who looks. A session that is there stays while the processor does not answer. */
export async function loadSession(): Promise<void> {
  try {
    const view = await get<SessionView>('session');
    setServerTime(view.now);
    session.set({ state: 'ready', view });
    document.title = view.title;
  } catch (error) {
    if (session.value.state === 'ready' || session.value.state === 'signed out') return;
    session.set({ state: 'unreachable', message: (error as Error).message });
  }
}

/** Whether this person sees all users. */
export function useSeesAll(): boolean {
  const current = useStore(session);
  return current.state === 'ready' && current.view.sees === 'all';
}

export async function signIn(value: string): Promise<void> {
  setToken(value);
  session.set({ state: 'loading' });
  await loadSession();
}

export async function signOut(): Promise<void> {
  setToken(undefined);
  session.set({ state: 'loading' });
  await loadSession();
}

/** Begins to notice that credentials are not, or no longer, accepted. */
export function followSignOuts(): void {
  signedOut.subscribe(() => {
    const error = signedOut.value;
    // Several requests may be answered so; the first one says why.
    if (error === undefined || session.value.state === 'signed out') return;
    const wasReady = session.value.state === 'ready';
    const reason = wasReady ? 'ended' : token.value === undefined ? 'needed' : 'rejected';
    setToken(undefined);
    session.set({ state: 'signed out', signInUrl: error.signInUrl, reason });
  });
}
