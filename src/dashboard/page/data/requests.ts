import type { Problem } from '../../api.ts';
import { type Query, queryText } from './router.ts';
import { Store } from './store.ts';

/** Why there is no answer, for people. */
export class RequestError extends Error {
  /** The server's stable code; `unreachable` if there was no answer. */
  readonly code: string;
  readonly signInUrl: string | undefined;
  /** Whether the same request will be answered the same. */
  readonly isFinal: boolean;

  constructor(code: string, message: string, signInUrl?: string, isFinal = false) {
    super(message);
    this.code = code;
    this.signInUrl = signInUrl;
    this.isFinal = isFinal;
  }
}

const tokenName = 'order-processor.token';

/** The bearer token that a person has given, for as long as the tab is open. */
export const token = new Store<string | undefined>(keptToken());

/** Counts answers that said that nobody is signed in, each with where a person can. */
export const signedOut = new Store<RequestError | undefined>(undefined);

function keptToken(): string | undefined {
  try {
    return sessionStorage.getItem(tokenName) ?? undefined;
  } catch {
    return undefined;
  }
}

export function setToken(value: string | undefined): void {
  try {
    if (value === undefined) sessionStorage.removeItem(tokenName);
    else sessionStorage.setItem(tokenName, value);
  } catch {
    // A browser may forbid storage; then the token lasts as long as the page.
  }
  token.set(value);
}

/** @throws RequestError */
export async function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const text = queryText(query);
  const url = `api/${path}${text === '' ? '' : `?${text}`}`;
  const response = await answerTo(url, { ...(signal && { signal }) });
  return (await response.json()) as T;
}

/** @throws RequestError */
export async function post<T>(path: string, body: unknown): Promise<T> {
  const response = await answerTo(`api/${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
  return (await response.json()) as T;
}

/** @throws RequestError for what is no success, `AbortError` */
export async function answerTo(url: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  if (token.value !== undefined) headers.set('authorization', `Bearer ${token.value}`);
  let response: Response;
  try {
    response = await fetch(url, {
      ...init,
      headers,
      cache: 'no-store',
      credentials: 'same-origin',
    });
  } catch (error) {
    if (init.signal?.aborted === true) throw error;
    throw new RequestError('unreachable', 'The processor does not answer. Is it running?');
  }
  if (response.ok) return response;
  const error = await errorOf(response);
  if (response.status === 401) signedOut.set(error);
  throw error;
}

/** A proxy before the dashboard may answer what is no problem document. */
async function errorOf(response: Response): Promise<RequestError> {
  const problem = (await response.json().catch(() => ({}))) as Partial<Problem>;
  const code = problem.code ?? (response.status === 401 ? 'unauthorized' : 'unreachable');
  const detail = problem.detail ?? problem.title ?? `The server answered ${response.status}.`;
  const isFinal = [400, 403, 404].includes(response.status);
  return new RequestError(code, detail, problem.signInUrl, isFinal);
}
