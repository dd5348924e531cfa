// Secret, so that a client cannot choose ids that all fall into one slot of a table.
const seed = crypto.getRandomValues(new Int32Array(1))[0] as number;

/** An object with an id that is looked up: an order, whose hash is needed several times. */
export interface Keyed {
  readonly id: string;
  /** 0 before it is known; see {@link hashIn}. */
  hash: number;
}

/** A key for an id that is looked up once. */
export function keyOf(id: string): Keyed {
  return { id, hash: 0 };
}

/** The hash of its id, computed at the first call. */
export function hashIn(key: Keyed): number {
  if (key.hash === 0) key.hash = hashOf(key.id);
  return key.hash;
}

/** The id that was hashed last: an order's is needed several times in a row. */
let lastId = '';
let lastHash = 0;

/** 32 bits of an id, never 0. */
export function hashOf(id: string): number {
  if (id === lastId && lastHash !== 0) return lastHash;
  lastHash = computed(id);
  lastId = id;
  return lastHash;
}

function computed(id: string): number {
  let hash = seed;
  for (let at = 0; at < id.length; at += 1) {
    hash = Math.imul(hash ^ id.charCodeAt(at), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash || 1;
}
