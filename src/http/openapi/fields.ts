import * as z from 'zod';

/** In UTF-16 code units. */
export const longestName = 256;

/** URLs drop `.` and `..`, however they are encoded: nothing of such a name could be requested. */
export const name = z
  .string()
  .min(1)
  .max(longestName, { abort: true })
  // `max` counts code points, as JSON Schema does.
  .refine((text) => text.length <= longestName, `Expected at most ${longestName} UTF-16 code units`)
  .refine((text) => text.isWellFormed(), 'Expected well-formed Unicode')
  .refine((text) => text !== '.' && text !== '..', 'Expected a name other than `.` and `..`')
  .meta({ description: 'Well-formed Unicode, neither `.` nor `..`' });

export const labels = z.array(z.string()).meta({ description: 'What rules said of the order' });
export const milliseconds = z.int().nonnegative();
export const unixMs = z.int().nonnegative().meta({ description: 'Unix milliseconds' });
export const minorUnits = z.int().meta({ description: 'In minor units (cents)' });
export const status = z.enum(['pending', 'processing', 'completed', 'failed', 'canceled']);
export const priority = z.enum(['high', 'medium', 'low']);
