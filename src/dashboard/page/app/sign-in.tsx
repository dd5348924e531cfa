import { useEffect, useRef, useState } from 'preact/hooks';
import { loadSession, type Session, signIn } from '../data/session.ts';
import { Icon, Logo } from '../parts/icons.tsx';

const reasons: Readonly<Record<'needed' | 'rejected' | 'ended', string>> = {
  needed: 'This dashboard needs to know who you are.',
  rejected: 'That token is not accepted. It may be mistyped, or have expired.',
  ended:
    'Your session has ended: the token or sign-in has expired. Sign in to go on where you were.',
};

type SignedOut = Extract<Session, { readonly state: 'signed out' }>;

/** Asks for a bearer token, or leads to where the host lets people sign in. */
export function SignIn({ session: { reason, signInUrl } }: { readonly session: SignedOut }) {
  const [value, setValue] = useState('');
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  const submit = (event: Event): void => {
    event.preventDefault();
    if (value.trim() !== '') void signIn(value.trim());
  };
  return (
    <main class="gate">
      <div class="gate-card">
        <Logo />
        <h1>Sign in</h1>
        <p role={reason === 'needed' ? undefined : 'alert'}>{reasons[reason]}</p>
        {signInUrl !== undefined && (
          <a class="button primary" href={signInUrl}>
            Go to sign-in
          </a>
        )}
        {signInUrl === undefined && (
          <form class="screen" onSubmit={submit}>
            <div class="field">
              <label for="token">Bearer token</label>
              <input
                id="token"
                class="input"
                type="password"
                ref={input}
                autocomplete="off"
                spellcheck={false}
                value={value}
                onInput={({ currentTarget }) => setValue(currentTarget.value)}
              />
            </div>
            <p class="small muted">It is kept in this tab alone, until the tab is closed.</p>
            <button type="submit" class="button primary">
              Sign in
            </button>
          </form>
        )}
      </div>
    </main>
  );
}

/** The first request had no answer. */
export function Unreachable({ message }: { readonly message: string }) {
  return (
    <main class="gate">
      <div class="gate-card">
        <Logo />
        <h1>No answer</h1>
        <p role="alert">
          <bdi>{message}</bdi>
        </p>
        <button type="button" class="button primary" onClick={() => void loadSession()}>
          <Icon name="retry" />
          Try again
        </button>
      </div>
    </main>
  );
}
