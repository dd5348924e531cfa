/** An integer of minor units as decimal text, `-1200` for example. */
export type Amount = string;

/** Unix milliseconds. */
export type Time = number;

/** The body of an error (`application/problem+json`, RFC 9457). `code` is stable: `unauthorized` (401), `forbidden` (403)… */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  /** For people. */
  readonly detail: string;
  /** With `unauthorized`: where a person signs in, if the host has said so. Else the page asks for a bearer token. */
  readonly signInUrl?: string;
}

/** Who looks, and what the host has set. */
export interface SessionView {
  readonly title: string;
  /** The version of the library. */
  readonly version: string;
  readonly role: 'read' | 'operate';
  /** Why it is `read`: the host has no `authenticate`, or this person has that role. */
  readonly readOnlyBecause?: 'no_authentication' | 'role';
  /** The person's name, as actions show it. */
  readonly client?: string;
  /** `users`: sees certain users alone; attention, overview, lanes, processors and actions answer `forbidden`. */
  readonly sees: 'all' | 'users';
  /** With `users`: which, if they are a list. */
  readonly userIds?: readonly string[];
  /** Whether answers have payloads and results. */
  readonly showPayloads: boolean;
  readonly currency: CurrencyView;
  /** Whether several processors share the storage. */
  readonly isShared: boolean;
  /** How many orders one action takes at most. */
  readonly mostTargets: number;
  readonly now: Time;
}

/** How amounts are shown. */
export interface CurrencyView {
  /** ISO 4217; absent: plain numbers. */
  readonly code?: string;
  /** How many of an amount's digits stand behind the point, from 0 to 18. */
  readonly digits: number;
  /** BCP 47; absent: the browser's. */
  readonly locale?: string;
}
