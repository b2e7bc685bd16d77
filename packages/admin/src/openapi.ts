import { OpenAPIHono, z } from '@hono/zod-openapi';
import { errorTable, type ErrorCode } from '@portcullis/core';
import type { AnswerDescription, Endpoint } from './endpoint.js';
import { errorsOf } from './errors-of.js';
import { mediaTypes } from './parse.js';
import { problemSchema } from './schema/problem.js';

const headerDescriptions: Readonly<Record<string, string>> = {
  ETag: 'The state of the record: for `If-Match` and `If-None-Match`.',
  Location: 'Where it can be read.',
  Link: 'The next page, with `rel="next"`.',
};

/**
 * The OpenAPI 3.1 document of endpoints, made from the schemas that they parse with.
 *
 * @param server - the base URL
 */
export function openApiDocument(endpoints: readonly Endpoint[], server: string): object {
  const app = new OpenAPIHono();
  const registry = app.openAPIRegistry;
  registry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'An access token of one of the authorization servers in the protected-resource metadata (RFC 9728).',
  });
  for (const endpoint of endpoints) {
    const { id, method, path, tag, summary, description, authorize, schemas } = endpoint;
    registry.registerPath({
      operationId: id,
      method,
      path,
      tags: [tag],
      summary,
      description: [description, needs(endpoint)].filter((text) => text !== undefined).join('\n\n'),
      security: authorize.on === 'nobody' ? [] : [{ bearer: [] }],
      request: {
        params: schemas.params,
        query: schemas.query,
        headers: headersOf(endpoint),
        ...bodyOf(endpoint),
      },
      responses: { ...answersOf(endpoint), ...problemsOf(endpoint) },
    });
  }
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Portcullis administration',
      version: '1',
      description:
        'Tenants, their members, roles, settings, limits, usage, sessions and trail; operators and their grants.',
      license: { name: 'Apache-2.0' },
    },
    servers: [{ url: server }],
  });
}

function bodyOf(endpoint: Endpoint): { readonly body?: ZodRequestBody } {
  const schema = endpoint.schemas.body;
  if (schema === undefined) return {};
  return {
    body: { required: true, content: Object.fromEntries(mediaTypes(endpoint).map((type) => [type, { schema }])) },
  };
}

/** What policy has to allow. */
function needs({ authorize }: Endpoint): string {
  switch (authorize.on) {
    case 'nobody':
      return 'Public.';
    case 'oneself':
      return 'For everybody with a token, about themselves.';
    case 'operator':
      return 'For operators; their service decides.';
    case 'platform':
      return `For operators: the action \`${authorize.action}\` on \`platform\`.`;
    case 'tenant':
      return `The action \`${authorize.action}\` on the \`tenant\`${authorize.also === undefined ? '' : `, and more with ${authorize.also.map((action) => `\`${action}\``).join(', ')}`}.${authorize.neverActing === true ? ' Never for an operator who acts in the tenant by a grant.' : ''}`;
  }
}

function headersOf({ method, authorize, conditional, answers }: Endpoint): z.ZodObject {
  const text = z.string();
  const hasTag = Object.values(answers).some(({ headers = [] }) => headers.includes('ETag'));
  return z.object({
    ...(authorize.on === 'platform' || authorize.on === 'tenant'
      ? {
          'X-Operator-Reason': text.optional().openapi({
            description:
              'For operators: why, in 10 to 500 printable characters of ASCII. Required of them, but where they act by a grant.',
          }),
        }
      : {}),
    ...(authorize.on === 'tenant'
      ? {
          'X-Operator-Grant': text
            .optional()
            .openapi({ description: 'For operators: the grant that they act in the tenant by.' }),
        }
      : {}),
    ...(conditional === 'match'
      ? { 'If-Match': text.openapi({ description: 'The `ETag` that the change is based on.' }) }
      : {}),
    ...(conditional === 'match-or-new'
      ? {
          'If-Match': text.optional().openapi({ description: 'The `ETag` that the change is based on.' }),
          'If-None-Match': text
            .optional()
            .openapi({ description: '`*`: it has to be new. One of the two is required.' }),
        }
      : {}),
    ...(method === 'get' && hasTag
      ? {
          'If-None-Match': text
            .optional()
            .openapi({ description: 'An `ETag` that you have: 304 if it is the present one.' }),
        }
      : {}),
    ...(method === 'post' && authorize.on !== 'nobody'
      ? {
          'Idempotency-Key': text.optional().openapi({
            description:
              'Random, yours, 1 to 255 visible ASCII characters: a request that is sent again with it is carried out once, and answered alike for 24 hours.',
          }),
        }
      : {}),
  });
}

type Route = Parameters<OpenAPIHono['openAPIRegistry']['registerPath']>[0];
type ZodRequestBody = NonNullable<NonNullable<Route['request']>['body']>;
type Responses = Route['responses'];

function answersOf(endpoint: Endpoint): Responses {
  const responses: Responses = {};
  for (const [status, answer] of Object.entries(endpoint.answers)) responses[status] = responseOf(answer);
  const hasTag = Object.values(endpoint.answers).some(({ headers = [] }) => headers.includes('ETag'));
  if (endpoint.method === 'get' && hasTag) responses['304'] = { description: 'It is as you have it.' };
  return responses;
}

function responseOf({ description, schema, texts = [], headers = [] }: AnswerDescription): Responses[string] {
  const content = {
    ...(schema === undefined ? {} : { 'application/json': { schema } }),
    ...Object.fromEntries(texts.map((type) => [type, { schema: z.string() }])),
  };
  return {
    description,
    ...(Object.keys(content).length === 0 ? {} : { content }),
    ...(headers.length === 0
      ? {}
      : {
          headers: Object.fromEntries(
            headers.map((name) => [
              name,
              { description: headerDescriptions[name] ?? name, schema: { type: 'string' as const } },
            ]),
          ),
        }),
  };
}

function problemsOf(endpoint: Endpoint): Responses {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of errorsOf(endpoint)) {
    const { http } = errorTable[code];
    byStatus.set(http, [...(byStatus.get(http) ?? []), code]);
  }
  const responses: Responses = {};
  for (const [status, codes] of [...byStatus].sort(([a], [b]) => a - b)) {
    responses[String(status)] = {
      description: codes.map((code) => `\`${code}\`: ${errorTable[code].title}`).join('; '),
      content: { 'application/problem+json': { schema: problemSchema } },
    };
  }
  return responses;
}
