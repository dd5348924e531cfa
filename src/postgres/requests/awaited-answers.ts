import type { SharedStorageListener } from '../../core/storage/shared-storage.ts';
import type { Life } from '../members/life.ts';
import { answersTo, forgetRequests } from '../statements/requests.ts';

/** How often answers are asked for of which no note has come, in milliseconds. */
const askEveryMs = 2_000;

/** The requests of this processor whose answers have not come. */
export class AwaitedAnswers {
  readonly #life: () => Life | undefined;
  readonly #answered: SharedStorageListener['answered'];
  readonly #ids = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(life: () => Life | undefined, answered: SharedStorageListener['answered']) {
    this.#life = life;
    this.#answered = answered;
  }

  add(id: string): void {
    this.#ids.add(id);
    this.#timer ??= setInterval(() => this.askAll(), askEveryMs);
  }

  delete(id: string): void {
    this.#ids.delete(id);
    if (this.#ids.size === 0) this.close();
  }

  /** A request was answered: of any processor. */
  noted(id: string): void {
    if (this.#ids.has(id)) void this.#ask([id]);
  }

  /** Notes may have been missed. */
  askAll(): void {
    if (this.#ids.size > 0) void this.#ask([...this.#ids]);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #ask(ids: readonly string[]): Promise<void> {
    try {
      const life = this.#life();
      if (life === undefined) return;
      const answers = await answersTo(life.read, ids);
      for (const { id, answer } of answers) {
        if (!this.#ids.has(id)) continue;
        this.delete(id);
        this.#answered(id, answer);
      }
      if (answers.length > 0)
        await forgetRequests(
          life.read,
          answers.map(({ id }) => id),
        );
    } catch {
      // It asks again, and so does the next life.
    }
  }
}
