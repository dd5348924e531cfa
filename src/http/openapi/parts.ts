import * as z from 'zod';
import * as schemas from './answer-schemas.ts';
import * as fields from './fields.ts';

/** A part of the document. */
export type Schema = Record<string, unknown>;

export function schemaIdOf(schema: z.ZodType): string {
  return z.globalRegistry.get(schema)?.id as string;
}

export function ref(schema: z.ZodType): Schema {
  return { $ref: `#/components/schemas/${schemaIdOf(schema)}` };
}

export function content(type: string, schema: Schema): Schema {
  return { [type]: { schema } };
}

export function reply(description: string, schema?: z.ZodType, type = 'application/json'): Schema {
  return schema === undefined
    ? { description }
    : { description, content: content(type, ref(schema)) };
}

export const problem = (description: string): Schema =>
  reply(description, schemas.problem, 'application/problem+json');

/** Of any request: Node refuses some before they come to a route. */
export const refused = { '4XX': problem('The request is refused: `code` says why') };
export const failed = {
  ...refused,
  default: problem('The request failed: `code` says why, and `Retry-After` when to come again'),
};

/** @param io - queries become numbers, which is how they are shown; a header is shown as it is sent */
export function shown(schema: z.ZodType, io: 'input' | 'output'): Schema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
}

/** A value that is no id belongs to no order: 404. */
export function path(name: string): Schema {
  return { name, in: 'path', required: true, schema: shown(fields.name, 'input') };
}

export function parametersOf(query: z.ZodObject): Schema[] {
  return Object.entries(query.shape).map(([name, field]) => {
    const schema = shown(field as z.ZodType, 'output');
    return { name, in: 'query', required: false, schema };
  });
}

export function header(name: string, description: string, schema: z.ZodType): Schema {
  return { name, in: 'header', required: false, description, schema: shown(schema, 'input') };
}
