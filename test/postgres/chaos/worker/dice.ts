import { randomFrom } from '../../../kit/random.ts';

/** Numbers from 0 up to but without 1, the same for the same seed and text. */
export function diceOf(seed: number, text: string): () => number {
  let hash = seed | 0;
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return randomFrom(hash);
}
