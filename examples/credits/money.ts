/** Cents as people write them. */
export function money(cents: number | undefined): string {
  return ((cents ?? 0) / 100).toFixed(2);
}
