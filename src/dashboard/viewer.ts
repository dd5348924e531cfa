import { type Access, checkAccess, isOperator, mayActFor, unauthorized } from '../server/access.ts';
import { forbidden } from '../server/http-error.ts';
import type { DashboardSettings } from './options.ts';

/** Who looks. */
export interface Viewer {
  readonly access: Access;
  readonly role: 'read' | 'operate';
  readonly readOnlyBecause: 'no_authentication' | 'role' | undefined;
  readonly sees: 'all' | 'users';
  readonly showPayloads: boolean;
  readonly showResults: boolean;
}

/** What all see where there is no `authenticate`. */
const anyone: Access = { users: 'all', role: 'read' };

/** @throws HttpError `unauthorized`, or what `authenticate` throws */
export async function viewerOf(
  { authenticate, showPayloads }: DashboardSettings,
  request: Request,
): Promise<Viewer> {
  const access = authenticate === undefined ? anyone : await authenticate(request);
  if (access === undefined || access === null) throw unauthorized();
  checkAccess(access);
  const { role = isOperator(access) ? 'operate' : 'read' } = access;
  const isRead = authenticate === undefined ? 'no_authentication' : 'role';
  const mayShow = showPayloads(access);
  return {
    ...{ access, role, showPayloads: mayShow },
    readOnlyBecause: role === 'read' ? isRead : undefined,
    sees: isOperator(access) ? 'all' : 'users',
    showResults: mayShow && access.seesResults !== false,
  };
}

/** Whether a person sees an order of a user by its id. */
export function maySee({ access, sees }: Viewer, userId: string): boolean {
  return sees === 'all' || mayActFor(access, userId);
}

/**
 * Checks that a person sees a user's balance, statement and orders; those of all users without one. As over HTTP they
 * are for who acts for the user, and not for each operator.
 *
 * @throws HttpError `forbidden`
 */
export function checkSees({ access }: Viewer, userId: string | undefined): void {
  if (mayActFor(access, userId)) return;
  throw forbidden(
    userId === undefined ? 'Name a user that you may see' : 'You may not see this user',
  );
}

/** @throws HttpError `forbidden` */
export function checkSeesAll({ sees }: Viewer): void {
  if (sees !== 'all') throw forbidden('This is about all users, and you may see certain users');
}
