/** What is seen: what happens, line by line, and below it the processes, live on a terminal and in plain lines elsewhere. */
import { clearScreenDown, moveCursor } from 'node:readline';
import { styleText } from 'node:util';
import type { Callers } from './callers.ts';
import type { StartedProcess } from './started-process.ts';

const { isTTY } = process.stdout;
const styles = {
  starting: 'yellow',
  ready: 'green',
  interrupted: 'yellow',
  frozen: 'cyan',
  killed: 'red',
  left: 'dim',
} as const;

/** Partitions for each character of a bar. */
const barScale = 4;

export class View {
  readonly #startedAt = performance.now();
  readonly #processes: readonly StartedProcess[];
  readonly #callers: Callers;
  #linesShown = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(processes: readonly StartedProcess[], callers: Callers) {
    this.#processes = processes;
    this.#callers = callers;
  }

  start(): void {
    this.#timer = setInterval(() => this.#show(), isTTY ? 200 : 1_000).unref();
  }

  /** How many partitions a process owns, as one of them has read it last: about once a second. */
  owned(name: string): number {
    const clusters = this.#processes.flatMap(({ report }) => report?.cluster ?? []);
    const [newest] = clusters.sort((one, other) => one.ageMs - other.ageMs);
    const its = newest?.processors.filter((each) => each.name === name) ?? [];
    return its.reduce((sum, { partitions }) => sum + partitions, 0);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#erase();
  }

  /** Something has happened. */
  say(text: string): void {
    this.#erase();
    console.log(`${this.#time} ${styleText('bold', text)}`);
    if (isTTY && this.#timer !== undefined) this.#show();
  }

  get #time(): string {
    return `${((performance.now() - this.#startedAt) / 1_000).toFixed(1).padStart(5)} s `;
  }

  #show(): void {
    if (!isTTY) {
      console.log(this.#time, this.#line());
      return;
    }
    this.#erase();
    const lines = this.#table();
    for (const line of lines) console.log(line);
    this.#linesShown = lines.length;
  }

  #line(): string {
    const shares = this.#processes.map(({ name }) => `${name} ${this.owned(name)}`);
    return `${this.#perSecond()} orders/s; partitions: ${shares.join(', ')}`;
  }

  #table(): string[] {
    const rows = this.#processes.map((each) => {
      const { name, state, perSecond } = each;
      const owned = this.owned(name);
      const bar = '█'.repeat(Math.ceil(owned / barScale)).padEnd(64 / barScale);
      const shown = styleText(styles[state], `${name.padEnd(7)} ${state.padEnd(11)}`);
      return ` ${shown} ${String(owned).padStart(2)} ${bar} ${rounded(perSecond).padStart(8)}`;
    });
    const { answered, submitted, sentAgain } = this.#callers;
    return [
      '',
      styleText('dim', ' process state       partitions          orders/s'),
      ...rows,
      this.#perSecond().padStart(49),
      ` answered ${answered}, open ${submitted.size - answered}, sent again ${sentAgain}`,
    ];
  }

  #perSecond(): string {
    return rounded(this.#processes.reduce((sum, { perSecond }) => sum + perSecond, 0));
  }

  #erase(): void {
    if (this.#linesShown === 0) return;
    moveCursor(process.stdout, 0, -this.#linesShown);
    clearScreenDown(process.stdout);
    this.#linesShown = 0;
  }
}

const rounded = (value: number): string => String(Math.round(value));
