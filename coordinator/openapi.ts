// The OpenAPI document of the routes. `scripts/coordinator openapi` writes coordinator/openapi.json; a test holds it against the routes.

import type { Rule } from './core/access.ts';
import type { Route } from './route.ts';
import type { Fields } from './shape.ts';
import * as shape from './shape.ts';

const security = ({ operators, consumers, everybody }: Rule): readonly object[] =>
  everybody === true ? [{}] : [...(operators === null ? [] : [{ operator: [operators] }]), ...(consumers ? [{ consumer: [] }] : [])];

const parameters = (where: 'path' | 'query', fields: Fields): readonly object[] =>
  Object.entries(fields).map(([name, { schema, optional }]) => ({ name, in: where, required: optional !== true, schema }));

const error = (description: string): object => ({
  description,
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
});

const errors = {
  '400': error('malformed, or a field that is missing or not known'),
  '401': error('nobody who is known: no token, an ended one, a signature that does not hold or came twice'),
  '403': error('not for this role, or more than is offered'),
  '404': error('not there, or not yours'),
  '409': error('exists, or is over'),
  '413': error('a body beyond 64 KiB'),
  '429': error('too often, or too much at once'),
  '503': error('the database does not answer, or no command key is certified any more'),
} as const;

function operationOf(route: Route): object {
  const { says, answers, rule, path, search, body } = route;
  const hasBody = Object.keys(body).length > 0;
  const type = answers === 'text' ? 'text/plain' : 'application/json';
  return {
    summary: says,
    security: security(rule),
    parameters: [...parameters('path', path), ...parameters('query', search)],
    ...(hasBody ? { requestBody: { required: true, content: { 'application/json': { schema: shape.schemaOf(body) } } } } : {}),
    responses: {
      '200': { description: answers, content: { [type]: { schema: { type: type === 'text/plain' ? 'string' : 'object' } } } },
      ...Object.fromEntries(Object.keys(errors).map((status) => [status, { $ref: `#/components/responses/${status}` }])),
    },
  };
}

export function render(routes: readonly Route[], base: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) paths[route.at] = { ...paths[route.at], [route.method.toLowerCase()]: operationOf(route) };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Weir coordinator',
      version: '1',
      description:
        'Times are seconds since 1970, rates bit/s, money millionths of a unit. A whole number beyond 2^53 is a string of its digits. Up to 20 requests a second, 60 at once.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: base }],
    paths,
    components: {
      securitySchemes: {
        operator: { type: 'http', scheme: 'bearer', description: 'A token; viewer, operator and admin may each what those before may.' },
        consumer: {
          type: 'apiKey',
          in: 'header',
          name: 'Authorization',
          description:
            'Weir KEY SECONDS SIGNATURE: the ed25519 key and the signature in hex, over "weir request", the coordinator’s root (`root` of GET /health) in hex, the method, the path with its query, the seconds since 1970 and the SHA-256 of the body in hex, each on a line of its own, without a last newline. Holds for a minute, and once.',
        },
      },
      responses: errors,
      schemas: {
        Error: {
          type: 'object',
          required: ['error'],
          properties: {
            error: {
              type: 'object',
              required: ['code', 'path', 'reason'],
              properties: { code: { type: 'string' }, path: { type: 'string' }, reason: { type: 'string' } },
            },
          },
        },
      },
    },
  };
}
