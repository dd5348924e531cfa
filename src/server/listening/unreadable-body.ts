/**
 * What a stranger sent in place of an order goes into a stream as one that cannot be read: so it is refused in
 * its place, and counted. The error is the `cause` of the refusal.
 */
export function unreadable(error: unknown): never {
  return {
    get id() {
      throw error;
    },
  } as never;
}
