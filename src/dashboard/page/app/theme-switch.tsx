import { exactTimes, type Theme, theme } from '../data/settings.ts';
import { useStore } from '../data/store.ts';
import { Icon, type IconName } from '../parts/icons.tsx';

const next: Readonly<Record<Theme, Theme>> = { system: 'light', light: 'dark', dark: 'system' };
const icons: Readonly<Record<Theme, IconName>> = { system: 'system', light: 'sun', dark: 'moon' };

export function ThemeSwitch() {
  const current = useStore(theme);
  const name = `Colours: ${current}. Change to ${next[current]}`;
  return (
    <button
      type="button"
      class="button plain icon"
      aria-label={name}
      title={name}
      onClick={() => theme.set(next[current])}
    >
      <Icon name={icons[current]} />
    </button>
  );
}

export function TimeSwitch() {
  const isExact = useStore(exactTimes);
  return (
    <button
      type="button"
      class="button plain icon"
      aria-label="Show exact times"
      title={isExact ? 'Show relative times' : 'Show exact times'}
      aria-pressed={isExact}
      onClick={() => exactTimes.set(!isExact)}
    >
      <Icon name="wait" />
    </button>
  );
}
