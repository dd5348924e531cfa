import { serve } from 'order-processor/http';
import { type Answer, faultOf } from './answer.ts';
import { Dice } from './dice.ts';
import { isScrape, type Verdict } from './in-process.ts';
import { answersOf, exchange } from './raw.ts';
import { type Spec, specOf } from './requests.ts';
import { bytesOf, mutated, piecesOf } from './wire.ts';
import { type Life, lifeOf } from './world.ts';

const atOnce = 120;
/** It makes the server close when it has answered what came before. */
const last = Buffer.from('GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');

/** One connection, as it is sent. */
interface Plan {
  readonly pieces: readonly Buffer[];
  readonly methods: readonly string[];
  /** Whether no byte was touched, so that all answers are there and are the app's. */
  readonly isHttp: boolean;
}

/** Sends a server what may be HTTP, some requests one after the other on a connection, and judges. */
export async function fuzzSockets(seed: number, connections: number): Promise<Verdict> {
  const dice = new Dice(seed);
  const life = lifeOf(seed, dice, { readTimeoutMs: 500 });
  const { app, processor, ledger } = life;
  const timeouts = { headersTimeoutMs: 1_000, idleTimeoutMs: 2_000, keepAliveTimeoutMs: 1_000 };
  const server = await serve(app, { processor, port: 0, signals: [], ...timeouts });
  const statuses: Record<string, number> = {};
  const faults: string[] = [];
  let scrapes = 0;
  for (let at = 0; at < connections && faults.length === 0; at += atOnce) {
    const plans = Array.from({ length: atOnce }, () => planOf(dice, life));
    const judged = plans.map(async (plan, index) => {
      const { bytes, isClosed } = await exchange(
        server.port,
        plan.pieces,
        plan.isHttp ? 5_000 : 150,
      );
      const tell = (fault: unknown): void => {
        faults.push(`${at + index}: ${fault} for ${show(plan, bytes)}`);
      };
      try {
        const answers = answersOf(bytes, plan.methods);
        for (const answer of answers) {
          statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
          ledger.note(answer);
          if (isScrape(answer)) scrapes += 1;
        }
        const fault = isClosed ? faultIn(plan, answers) : 'still open';
        if (fault !== undefined) tell(fault);
      } catch (error) {
        tell(error);
      }
    });
    await Promise.all(judged);
    const { status } = await fetch(`${server.url}/livez`);
    if (status !== 200) faults.push(`${at}: /livez ${status}`);
  }
  if (faults.length === 0) faults.push(...(await ledger.close(false)));
  for (const error of life.internal) faults.push(`internal: ${error}`);
  await server.close();
  const { acknowledged, outcomes, holds } = ledger;
  return { faults, requests: connections, acknowledged, statuses, scrapes, outcomes, holds };
}

function planOf(dice: Dice, { world }: Life): Plan {
  const specs = Array.from({ length: dice.pick([1, 1, 2, 4]) }, () => specOf(dice, world).spec)
    // Their answers do not end.
    .filter(({ path }) => !/events|outcomes/.test(path));
  const isHttp = specs.every(isSendable) && dice.chance(0.4);
  const requests = specs.map((spec) => {
    // What is mutated may hide a request, and then it is not known whose answer has no body.
    if (!isHttp && spec.method === 'HEAD') spec.method = 'GET';
    const bytes = bytesOf(spec, dice);
    return isHttp || dice.chance(0.2) ? bytes : mutated(bytes, dice);
  });
  const methods = [...specs.map(({ method }) => method), 'GET'];
  return { pieces: piecesOf(Buffer.concat([...requests, last]), dice), methods, isHttp };
}

/** Whether Node would let its client send this, and would read it to its end as a server. */
function isSendable({ method, path, headers }: Spec): boolean {
  const isOwn = headers.every(
    ([name]) => !/^(host|content-length|transfer-encoding|expect|upgrade|connection)$/.test(name),
  );
  return isOwn && method !== 'PURGE' && path.length < 8_000 && /^[!-~]+$/.test(path);
}

function faultIn({ isHttp, methods }: Plan, answers: readonly Answer[]): string | undefined {
  if (isHttp) {
    const fault = answers
      .map((answer, at) => (isOfServer(answer) ? undefined : faultOf(methods[at] ?? '', answer)))
      .find((each) => each !== undefined);
    // A body that was too long, or a refusal to read one, ends the connection.
    const isCut = answers.some(({ status }) => [400, 408, 413, 415].includes(status));
    return (
      fault ?? (answers.length < methods.length && !isCut ? 'an answer is missing' : undefined)
    );
  }
  const broken = answers.find(({ status }) => status >= 500 && status !== 503);
  return broken === undefined ? undefined : `${broken.status}`;
}

/** What does not come to the app. */
function isOfServer({ status, headers }: Answer): boolean {
  return [400, 408, 417, 431].includes(status) && headers.get('content-type') === null;
}

function show({ pieces }: Plan, bytes: Buffer): string {
  const sent = Buffer.concat(pieces).toString('latin1').slice(0, 1_000);
  return JSON.stringify({ sent, got: bytes.toString('latin1').slice(-500) });
}
