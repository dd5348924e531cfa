import { createHash } from 'node:crypto';
import type { RetryLinks } from './retry-links.ts';

/** Leaves room for the number of the try in the 256 characters of an id. */
const mostOfBase = 240;

/** What is left of an id that is longer: a hash of the whole id takes the place of the rest. */
const mostKept = 190;

const numbered = /^(.+)~(\d{1,15})$/s;

/**
 * The id under which an order comes again: `o-1` comes as `o-1~2`, and that as `o-1~3`. It follows from the order, so
 * that all who retry an order have the same id for it.
 */
export function retryIdOf({ id, retryOf }: RetryLinks & { readonly id: string }): string {
  const [, base = id, tried = '1'] = (retryOf !== undefined && numbered.exec(id)) || [];
  return `${shortened(base)}~${Number(tried) + 1}`;
}

function shortened(id: string): string {
  if (id.length <= mostOfBase) return id;
  // The cut may divide a pair of surrogates.
  const kept = id.slice(0, mostKept).toWellFormed();
  return `${kept}~${createHash('sha256').update(id).digest('base64url')}`;
}
