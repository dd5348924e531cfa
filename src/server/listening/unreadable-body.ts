/**
 * Stands in a stream for something that was sent in place of an order and cannot be read. So it is refused in its
 * place, and counted. The error is the `cause` of the refusal.
 */
export function unreadable(error: unknown): never {
  return {
    get id() {
      throw error;
    },
  } as never;
}
