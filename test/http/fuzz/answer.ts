/** An answer, however it came. */
export interface Answer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly text: string;
}

/** With 500 something threw; the others a busy or bounded processor may well give. */
const codesOf5xx: readonly unknown[] = ['queue_full', 'too_many_readers', 'timeout'];

/** What is wrong with an answer to any request. */
export function faultOf(method: string, answer: Answer): string | undefined {
  const { status, headers, text } = answer;
  if (status >= 400) return faultOfProblem(method, answer);
  if (headers.get('x-injected') !== null) return 'a header of the client came back';
  if (method === 'HEAD' || status === 204) return text === '' ? undefined : 'a body without need';
  if (headers.get('x-content-type-options') !== 'nosniff') return 'no header `nosniff`';
  if (headers.get('content-type') === 'application/json') return faultOfJson(text);
  return undefined;
}

function faultOfJson(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch {
    return 'no JSON';
  }
}

function faultOfProblem(method: string, { status, headers, text }: Answer): string | undefined {
  // Probes read the status; the reasons are for people.
  if (status === 503 && /^\{"status":"unavailable",/.test(text)) return undefined;
  if (headers.get('content-type') !== 'application/problem+json') return 'no problem';
  if (method === 'HEAD') return status < 500 || status === 503 ? undefined : `${status}`;
  const fault = faultOfJson(text);
  if (fault !== undefined) return fault;
  const problem = JSON.parse(text) as Record<string, unknown>;
  const { code } = problem;
  if (problem.status !== status) return 'the statuses differ';
  if (typeof code !== 'string' || !/^[a-z]+(_[a-z]+)*$/.test(code)) return 'no code';
  if (typeof problem.detail !== 'string') return 'no detail';
  if (status >= 500 && !codesOf5xx.includes(code)) return `${status} ${code}`;
  if (status === 405 && !headers.get('allow')) return 'no header `allow`';
  return undefined;
}
