import { badRequest } from '../../server/http-error.ts';

const longestId = 256;
/** The last time that there is, in Unix milliseconds. */
export const mostTime = 8_640_000_000_000_000;
const mostOnPage = 200;
const defaultOnPage = 50;

/** Whether a text may be the id of an order or of a user. */
export function isId(value: unknown): value is string {
  return (
    typeof value === 'string' && value !== '' && value.length <= longestId && value.isWellFormed()
  );
}

/** The query of a request: each parameter is known, and comes at most once. */
export class Query {
  readonly #fields = new Map<string, string>();

  /** @throws HttpError `bad_request` */
  constructor({ url }: Request, known: readonly string[]) {
    for (const [name, value] of new URL(url).searchParams) {
      if (!known.includes(name)) throw badRequest(`There is no parameter \`${shorten(name)}\``);
      if (this.#fields.has(name)) throw badRequest(`Expected one \`${name}\` in the query`);
      this.#fields.set(name, value);
    }
  }

  /** A text; an empty one counts as none. */
  text(name: string): string | undefined {
    return this.#fields.get(name) || undefined;
  }

  /** @throws HttpError `bad_request` */
  id(name: string): string {
    const id = this.optionalId(name);
    if (id === undefined) throw badRequest(`Expected \`${name}\` in the query`);
    return id;
  }

  /** @throws HttpError `bad_request` */
  optionalId(name: string): string | undefined {
    const id = this.text(name);
    if (id === undefined || isId(id)) return id;
    throw badRequest(`Expected \`${name}\` to have at most ${longestId} characters`);
  }

  /** @throws HttpError `bad_request` */
  time(name: string): number | undefined {
    return this.integer(name, 0, mostTime);
  }

  /** @throws HttpError `bad_request` */
  integer(name: string, least: number, most: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw badRequest(`Expected \`${name}\` to be an integer from ${least} to ${most}`);
  }

  /** @throws HttpError `bad_request` */
  oneOf<T extends string | number>(name: string, values: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const found = values.find((value) => String(value) === text);
    if (found !== undefined) return found;
    throw badRequest(`Expected \`${name}\` to be one of ${values.join(', ')}`);
  }

  get limit(): number {
    return this.integer('limit', 1, mostOnPage) ?? defaultOnPage;
  }
}

function shorten(text: string): string {
  return text.slice(0, 60);
}
