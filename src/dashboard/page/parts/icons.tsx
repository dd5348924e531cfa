/** Icons of one stroke on a grid of 24; the text beside them, or the name of the control, says the same. */
const paths = {
  attention: 'M12 3.5 21 19.5H3zM12 10v4M12 17v.01',
  orders: 'M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01',
  users: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20a7.5 7.5 0 0 1 15 0',
  lanes: 'M7 11V8a5 5 0 0 1 10 0v3M6 11h12v9H6zM12 15v2',
  overview: 'M4 4v16h16M8 15l3.5-4 3 2.5L20 8',
  live: 'M3 12h4l2.5-7 5 14L17 12h4',
  processors: 'M4 5h16v6H4zM4 13h16v6H4zM8 8h.01M8 16h.01',
  actions: 'M12 7v5l3 2M12 3.5a8.5 8.5 0 1 1-8 5.600M3.5 4v5h5',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l4.5 4.5',
  menu: 'M4 7h16M4 12h16M4 17h16',
  close: 'M6 6l12 12M18 6 6 18',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  cross: 'M7 7l10 10M17 7 7 17',
  pause: 'M9 6v12M15 6v12',
  play: 'M8 5.5v13l10.5-6.5z',
  wait: 'M12 7v5l3 2M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17z',
  run: 'M12 3.5a8.5 8.5 0 1 0 8.5 8.5M20.5 5v4.5H16',
  stop: 'M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17zM6.5 6.5l11 11',
  retry:
    'M4 12a8 8 0 0 1 13.7-5.600L20 8.5M20 4v4.5h-4.5M20 12a8 8 0 0 1-13.7 5.600L4 15.5M4 20v-4.5h4.5',
  unlock: 'M7 11V8a5 5 0 0 1 9.5-2.200M6 11h12v9H6zM12 15v2',
  sun: 'M12 16.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM12 2.5v1.5M12 20v1.5M2.5 12H4M20 12h1.5M5.3 5.300l1 1M17.7 17.700l1 1M18.7 5.300l-1 1M6.3 17.700l-1 1',
  moon: 'M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z',
  system: 'M4 5h16v11H4zM9 20h6M12 16v4',
  leave: 'M10 4H5v16h5M14 8l4 4-4 4M18 12H9',
  down: 'M6 9.5l6 6 6-6',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.8"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d={paths[name]} />
    </svg>
  );
}

/** A queue of three lanes, one of them held. */
export function Logo() {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#4453d6" />
      <g fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round">
        <path d="M8 10h16M8 16h8M8 22h12" />
      </g>
      <circle cx="22.5" cy="16" r="2.5" fill="#ffc53d" />
    </svg>
  );
}
