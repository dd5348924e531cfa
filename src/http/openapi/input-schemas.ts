import * as z from 'zod';
import { isReason, longestReason } from '../../core/processing/holds/hold-options.ts';
import { isCursor } from '../../core/queries/cursor.ts';
import { isHoldCursor } from '../../core/queries/hold-cursor.ts';
import { issueOf, mostIssues, placeOf } from '../../core/runtime/json/issues.ts';
import { HttpError, type HttpErrorCode } from '../../server/http-error.ts';
import { preferredWaitMs } from '../request/prefer.ts';
import { longestName, name, priority, status, unixMs } from './fields.ts';

/** As the processor has it. */
const mostPostings = 100;

const posting = z.strictObject({
  userId: name.meta({
    description: 'Another user than the order’s, and than those of the other postings',
  }),
  amount: z.int().min(1).meta({ description: 'In minor units (cents)' }),
});

/** What `POST /orders` takes, and a line of `POST /orders/batch`. */
export const orderInput = z
  .strictObject({
    id: name.optional().meta({ description: 'The idempotency key; generated when absent' }),
    userId: name,
    amount: z.int().meta({
      description:
        'In minor units (cents); negative is a debit. Above 0 of clients alone that may add money',
    }),
    priority: priority.optional().meta({ description: '`medium` by default' }),
    postings: z.array(posting).max(mostPostings).optional().meta({
      description:
        'Credits to other users, together a safe integer, applied with the amount or not at all',
    }),
    notBefore: unixMs.optional().meta({
      description:
        'When it enters its lane, in Unix milliseconds; at most a hundred years from now. At once by default',
    }),
    expiresAt: unixMs.optional().meta({
      description:
        'Until when it may begin, in Unix milliseconds; at most a hundred years from now',
    }),
    payload: z.unknown().optional(),
  })
  .meta({ id: 'Order' });

/** As in structured fields (RFC 8941): ASCII alone, since the bytes of a header have no encoding. */
const quotedCharacter = String.raw`(?:[ !#-\[\]-~]|\\["\\])`;
/** No character that makes a list, parameters or a string: two keys are not one. */
const bareCharacter = '[ !#-+.-:<-~-]';

/** The header `Idempotency-Key`: a string in quotes, or as it is. */
export const idempotencyKey = z.union([
  z
    .string()
    // The length stands here for the OpenAPI document, which describes the text as it is sent.
    .regex(new RegExp(`^"${quotedCharacter}{1,${longestName}}"$`))
    .transform((text) => text.slice(1, -1).replace(/\\(.)/g, '$1'))
    .pipe(name),
  name.regex(new RegExp(`^${bareCharacter}+$`)),
]);

/** The header `Prefer`, of which only `wait=N` counts, as the milliseconds that it asks for. */
export const preferredWait = z.string().transform(preferredWaitMs);

/** @param most - the greatest number it may be */
const digits = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/, 'Expected an integer')
    .transform(Number)
    .pipe(z.int().min(least).max(most));

const cursorOf = (isCursor: (text: string) => boolean) =>
  z
    .string()
    .min(1)
    .max(2_048)
    .refine(isCursor, 'Expected the `cursor` of a page')
    .optional()
    .meta({ description: 'Of the page before, as it came' });

export const listQuery = z.strictObject({
  userId: name.optional(),
  status: status.optional(),
  acceptedFrom: digits(0, Number.MAX_SAFE_INTEGER).optional(),
  acceptedBefore: digits(0, Number.MAX_SAFE_INTEGER).optional(),
  limit: digits(1, 1_000).optional().meta({
    description:
      'Orders on a page at most; 100 by default. A page may have fewer even if there are more: `cursor` says',
  }),
  cursor: cursorOf(isCursor),
});

export const eventsQuery = z.strictObject({
  userId: name.optional(),
  lastEventId: z.string().max(64).optional().meta({
    description: 'In place of the header `Last-Event-ID`, which a new `EventSource` cannot send',
  }),
});
/** Of one order. */
export const orderQuery = z.strictObject({
  userId: name.optional().meta({
    description: 'Whose order it is; to be named by a client that acts for several users',
  }),
});
export const holdsQuery = z.strictObject({
  limit: digits(1, 1_000)
    .optional()
    .meta({ description: 'Holds on a page at most; 100 by default' }),
  cursor: cursorOf(isHoldCursor),
});
/** Which storage a cursor is of, the processor finds out. */
const historyCursor = z.string().min(1).max(2_048).optional();

export const balanceQuery = z.strictObject({
  at: digits(0, Number.MAX_SAFE_INTEGER).optional().meta({
    description:
      'Right after all that was settled up to then, in Unix milliseconds; now by default',
  }),
});

export const movementsQuery = z.strictObject({
  from: digits(0, Number.MAX_SAFE_INTEGER)
    .optional()
    .meta({ description: 'Settled then or later, in Unix milliseconds' }),
  to: digits(0, Number.MAX_SAFE_INTEGER)
    .optional()
    .meta({ description: 'Settled before then, in Unix milliseconds' }),
  limit: digits(1, 1_000)
    .optional()
    .meta({ description: 'Movements on a page at most; 100 by default' }),
  cursor: historyCursor.meta({ description: 'Of the page before, as it came' }),
});

export const outcomesQuery = z.strictObject({
  after: historyCursor.meta({
    description:
      'The `cursor` of the last outcome that was dealt with; from the first on by default',
  }),
});

export const releaseQuery = z.strictObject({
  action: z.enum(['retry', 'skip']).optional().meta({
    description:
      'What becomes of the failed order that holds the lane: it runs again, or is settled as failed. To be given if one does',
  }),
  orderId: name.optional().meta({
    description:
      'The failed order that is to be released, as the hold has it: if another one or none holds the lane by now, nothing is released. To be given wherever a request may be sent twice',
  }),
});
export const noQuery = z.strictObject({});

/** The body of `POST /users/{userId}/hold`. */
export const holdInput = z
  .strictObject({
    reason: z
      .string()
      .max(longestReason, { abort: true })
      .refine(
        isReason,
        `Expected at most ${longestReason} UTF-16 code units of well-formed Unicode`,
      )
      .optional()
      .meta({ description: 'Why, for people' }),
  })
  .meta({ id: 'HoldInput' });

/**
 * Checks a value of a request.
 *
 * @throws HttpError 400 with the issues
 */
export function check<T>(
  schema: z.ZodType<T>,
  value: unknown,
  code: HttpErrorCode | 'invalid_order',
): T {
  const result = schema.safeParse(value, { reportInput: false });
  if (result.success) return result.data;
  const issues = result.error.issues
    .slice(0, mostIssues)
    .map(({ path, message }) => issueOf(placeOf(path), message));
  const [first] = issues;
  const place = first?.path === '' ? '' : `${first?.path}: `;
  throw new HttpError(400, code, `${place}${first?.message}`, { issues });
}
