import * as z from 'zod';
import type { AppSettings } from '../options.ts';
import * as schemas from './answer-schemas.ts';
import * as inputs from './input-schemas.ts';
import { operationsOf, tags } from './operations.ts';
import { type Schema, schemaIdOf } from './parts.ts';
import * as ofProcess from './process-schemas.ts';

/** Schemas that have names, so that the document has each once. */
const named = [
  inputs.orderInput,
  schemas.step,
  schemas.record,
  schemas.receipt,
  schemas.page,
  schemas.outcomeLine,
  schemas.balance,
  schemas.movement,
  schemas.movementPage,
  schemas.settledLine,
  inputs.holdInput,
  schemas.hold,
  schemas.releasedLane,
  schemas.holdPage,
  ofProcess.health,
  ofProcess.stats,
  schemas.problem,
];

const bearer = { bearer: { type: 'http', scheme: 'bearer' } };

/** The routes as OpenAPI 3.1, whose schemas are the ones that check. */
export function openApi({ openapi, metrics, authenticate }: AppSettings): Schema {
  const { title = 'Orders', version = '1', payload, license, contact } = openapi;
  const { description = 'Orders, one at a time per user, and the balances that they change.' } =
    openapi;
  // Relative to the document, which stands beside the routes wherever the app is mounted.
  const { servers = [{ url: '.' }], securitySchemes = bearer } = openapi;
  const isOpen = authenticate === undefined;
  const security = isOpen ? [] : Object.keys(securitySchemes).map((name) => ({ [name]: [] }));
  return {
    openapi: '3.1.0',
    info: { title, version, description, contact, license },
    servers,
    tags,
    security,
    paths: operationsOf(metrics !== undefined, security),
    components: {
      schemas: componentsOf(payload),
      ...(isOpen ? {} : { securitySchemes }),
    },
  };
}

function componentsOf(payload: object | undefined): Schema {
  const registry = z.registry<{ id: string }>();
  for (const schema of named) registry.add(schema, { id: schemaIdOf(schema) });
  const { schemas: all } = z.toJSONSchema(registry, {
    target: 'draft-2020-12',
    uri: (id) => `#/components/schemas/${id}`,
    // Answers may get more fields in later versions.
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema, path }) => {
      delete jsonSchema.id;
      if (payload !== undefined && path.at(-2) === 'properties' && path.at(-1) === 'payload') {
        Object.assign(jsonSchema, payload);
      }
    },
  });
  // A part of the document has these keys by its place.
  return Object.fromEntries(
    Object.entries(all).map(([id, { $schema: _schema, $id: _id, ...schema }]) => [id, schema]),
  );
}
