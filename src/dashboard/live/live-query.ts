import { badRequest } from '../../server/http-error.ts';
import type { LiveTopic } from '../api.ts';
import { Query } from '../requests/query.ts';
import { checkSees, checkSeesAll, type Viewer } from '../viewer.ts';

/** What a page wants. */
export interface Wanted {
  readonly topics: ReadonlySet<LiveTopic>;
  readonly userId: string | undefined;
  readonly orderId: string | undefined;
  /** In seconds. */
  readonly step: number;
  readonly lastEventId: string | undefined;
}

const topics: readonly LiveTopic[] = [
  'stats',
  'attention',
  'overview',
  'user',
  'order',
  'processors',
  'actions',
  'events',
];
const ofUsers: ReadonlySet<LiveTopic> = new Set(['user', 'order', 'events']);

/** The distances of points that there are, in seconds. */
export const steps = [1, 5, 10, 30, 60] as const;
export const defaultStep = 10;

/** @throws HttpError `bad_request`, `forbidden` */
export function readWanted(request: Request, viewer: Viewer): Wanted {
  const query = new Query(request, ['topics', 'userId', 'orderId', 'step', 'lastEventId']);
  const asked = (query.text('topics') ?? '').split(',');
  const unknown = asked.find((topic) => !topics.includes(topic as LiveTopic));
  if (unknown !== undefined) {
    throw badRequest(`Expected \`topics\` to be some of ${topics.join(', ')}`);
  }
  const wanted = {
    topics: new Set(asked as LiveTopic[]),
    userId: query.optionalId('userId'),
    orderId: query.optionalId('orderId'),
    step: query.oneOf('step', steps) ?? defaultStep,
    lastEventId: request.headers.get('last-event-id') ?? query.text('lastEventId'),
  };
  for (const [topic, name] of [['user', 'userId'] as const, ['order', 'orderId'] as const]) {
    if (wanted.topics.has(topic) && wanted[name] === undefined) {
      throw badRequest(`Expected \`${name}\` with the topic \`${topic}\``);
    }
  }
  if (wanted.userId !== undefined) checkSees(viewer, wanted.userId);
  if (![...wanted.topics].every((topic) => ofUsers.has(topic))) checkSeesAll(viewer);
  return wanted;
}

/** How far an earlier stream of a page had come. */
export interface Position {
  readonly events: number;
  readonly actions: number;
  /** The end of the last point, in Unix milliseconds; 0 for none. */
  readonly points: number;
  readonly step: number;
}

/** @param epoch - differs in each process */
export function idOf(epoch: string, { events, actions, points, step }: Position): string {
  return `${epoch}-${events}-${actions}-${points}-${step}`;
}

/** `undefined` for the id of another process, or for none. */
export function positionOf(epoch: string, id: string | undefined): Position | undefined {
  const found = /^([0-9a-f]{8})-(\d{1,16})-(\d{1,16})-(\d{1,16})-(\d{1,2})$/.exec(id ?? '');
  if (found === null || found[1] !== epoch) return undefined;
  const [events, actions, points, step] = found.slice(2).map(Number) as [
    number,
    number,
    number,
    number,
  ];
  return { events, actions, points, step };
}
