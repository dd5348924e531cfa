import { unixTimeAt } from '../../core/runtime/clock.ts';
import type { SessionView } from '../api.ts';
import type { Sources } from '../sources.ts';
import { version } from '../version.ts';
import type { Viewer } from '../viewer.ts';
import { defined } from './amounts.ts';

export function sessionView(
  { processor, settings }: Sources,
  viewer: Viewer,
  mostTargets: number,
): SessionView {
  const { role, readOnlyBecause, sees, showPayloads, access } = viewer;
  const { users, client } = access;
  const { title, currency } = settings;
  return defined({
    ...{ title, version, role, readOnlyBecause, client, sees },
    userIds: sees === 'users' && Array.isArray(users) ? users : undefined,
    ...{ showPayloads, currency, isShared: processor.stats().cluster !== undefined },
    ...{ mostTargets, now: unixTimeAt(processor) },
  }) as SessionView;
}
