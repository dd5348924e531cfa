const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** A duration in one or two units: `340 ms`, `1.2 s`, `2 min 5 s`, `3 h 4 min`, `12 d`. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `−${formatDuration(-ms)}`;
  if (ms < second) return `${Math.round(ms)} ms`;
  if (ms < 10 * second) return `${trimmed(ms / second)} s`;
  if (ms < minute) return `${Math.round(ms / second)} s`;
  if (ms < hour) return twoUnits(ms, minute, 'min', second, 's');
  if (ms < day) return twoUnits(ms, hour, 'h', minute, 'min');
  if (ms < 10 * day) return twoUnits(ms, day, 'd', hour, 'h');
  return `${Math.round(ms / day)} d`;
}

function trimmed(value: number): string {
  return value.toFixed(1).replace(/\.0$/, '');
}

function twoUnits(ms: number, large: number, name: string, small: number, rest: string): string {
  const whole = Math.floor(ms / large);
  const left = Math.floor((ms % large) / small);
  return left === 0 ? `${whole} ${name}` : `${whole} ${name} ${left} ${rest}`;
}

/** `12 s ago`, `in 3 min`; one unit, since the exact time is a pointer's rest away. */
export function formatRelative(time: number, now: number): string {
  const ms = Math.abs(now - time);
  if (ms < 2 * second) return 'just now';
  const text = oneUnit(ms);
  return time > now ? `in ${text}` : `${text} ago`;
}

function oneUnit(ms: number): string {
  if (ms < minute) return `${Math.floor(ms / second)} s`;
  if (ms < hour) return `${Math.floor(ms / minute)} min`;
  if (ms < 2 * day) return `${Math.floor(ms / hour)} h`;
  return `${Math.floor(ms / day)} d`;
}

const two = (value: number): string => String(value).padStart(2, '0');

/** The date and the time to the millisecond, by the reader's clock, with its distance from UTC. */
export function formatExact(time: number): string {
  const date = new Date(time);
  const ms = String(date.getMilliseconds()).padStart(3, '0');
  return `${formatDay(date)} ${formatClock(date)}.${ms} ${zoneOf(date)}`;
}

/** The same to the second, for tables that show exact times. */
export function formatSecond(time: number): string {
  const date = new Date(time);
  return `${formatDay(date)} ${formatClock(date)}`;
}

/** The time of day, for axes and logs. */
export function formatClock(date: Date): string {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function formatDay(date: Date): string {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

function zoneOf(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  if (minutes === 0) return 'UTC';
  const sign = minutes < 0 ? '−' : '+';
  return `UTC${sign}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
}
