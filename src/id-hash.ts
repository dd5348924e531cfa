// Secret, so that nobody can send ids that all fall into one place of a table.
const seed = crypto.getRandomValues(new Int32Array(1))[0] as number;

let lastId = '';
let lastHash = 1;

/**
 * 32 bits of an id, never 0. An order's id is looked up among the unsettled orders, then among the settled
 * ones, and soon after remembered: from the second time on its hash is at hand.
 */
export function hashOf(id: string): number {
  if (id === lastId) return lastHash;
  let hash = seed;
  for (let at = 0; at < id.length; at += 1) {
    hash = Math.imul(hash ^ id.charCodeAt(at), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  lastId = id;
  lastHash = hash || 1;
  return lastHash;
}
