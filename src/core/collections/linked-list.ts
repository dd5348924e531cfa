/** What a {@link LinkedList} needs of its members: two links, and to be in one list at a time. */
export interface Linked<T> {
  prev: T | undefined;
  next: T | undefined;
}

/** A doubly linked list whose links are in its members, so that adding one allocates nothing. */
export class LinkedList<T extends Linked<T>> {
  head: T | undefined = undefined;
  tail: T | undefined = undefined;

  get isEmpty(): boolean {
    return this.head === undefined;
  }

  /** All members as of now; they may leave meanwhile. */
  all(): T[] {
    const members: T[] = [];
    for (let member = this.head; member !== undefined; member = member.next) members.push(member);
    return members;
  }

  push(member: T): void {
    const { tail } = this;
    member.prev = tail;
    if (tail === undefined) this.head = member;
    else tail.next = member;
    this.tail = member;
  }

  /** Adds a member before all others. */
  unshift(member: T): void {
    const { head } = this;
    member.next = head;
    if (head === undefined) this.tail = member;
    else head.prev = member;
    this.head = member;
  }

  remove(member: T): void {
    const { prev, next } = member;
    if (prev === undefined) this.head = next;
    else prev.next = next;
    if (next === undefined) this.tail = prev;
    else next.prev = prev;
    member.prev = undefined;
    member.next = undefined;
  }
}
