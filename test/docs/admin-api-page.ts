import { admin } from '@portcullis/admin';

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly description?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly description?: string;
    readonly schema: Schema;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<
    Record<
      string,
      { readonly description: string; readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }
    >
  >;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** The document of an API that has every part. Nothing of it is asked. */
function wholeDocument(): object {
  const part = {} as never;
  return admin({
    resource: 'https://api.example.com/admin',
    authorizationServers: ['https://id.example.com'],
    ...{
      identity: part,
      tenants: part,
      store: part,
      pdp: part,
      audit: part,
      operators: part,
      members: part,
      roles: part,
    },
    ...{ invitations: part, domains: part, usage: part, trails: part, sessions: part, lifecycle: part },
  }).openapi;
}

/** The reference page of the administration API, made from its OpenAPI document. `npx vitest run test/docs -u` writes it. */
export function adminApiPage(): string {
  const document = wholeDocument() as Document;
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
  const tags = [...new Set(operations.flatMap(({ operation }) => operation.tags))];
  return `# The administration API

This page is made from the OpenAPI 3.1 document that the API serves at \`/openapi.json\`; a test holds the two together. Paths are below the URL that you mount the API at. How to set it
up and use it: [Administer](../how-to/administer.md).

- **Who**: a bearer token, verified as everywhere. A member reaches its own tenant and is told of no other. An operator says why in \`X-Operator-Reason\`, or acts by a grant named in
  \`X-Operator-Grant\`; then it changes nothing.
- **Errors** are problem details (RFC 9457) as \`application/problem+json\`: \`{ type, title, status, code, detail?, requestId, data? }\`. Programs compare \`code\`; [all codes](errors.md).
- **Changes** of a record need \`If-Match\` with its \`ETag\`: without 428, with a stale one 412. \`GET\` takes \`If-None-Match\`.
- **\`PATCH\`** is a JSON merge patch (RFC 7396), as \`application/merge-patch+json\` or \`application/json\`: what is absent stays, \`null\` removes, an array is replaced as a whole.
- **\`POST\`** takes \`Idempotency-Key\`: the same request with the same key is carried out once for 24 hours and answered alike (\`Idempotency-Replayed: true\`; a refusal, for a
  minute); another request with it gets 422, and one that meets the first while it runs 409 with \`Retry-After\`.
- **Lists** have \`limit\` and \`cursor\`, and \`nextCursor\` and a \`Link\` header in the answer.
- Bodies are JSON without duplicate or unknown members; queries have no unknown or repeated parameters. Times are RFC 3339 in UTC.

## All routes

| route | does | needs |
|---|---|---|
${operations.map(({ method, path, operation }) => `| \`${method} ${path}\` | ${operation.summary} | ${needsOf(operation)} |`).join('\n')}

${tags
  .map((tag) =>
    section(
      tag,
      operations.filter(({ operation }) => operation.tags.includes(tag)),
    ),
  )
  .join('\n')}
## Schemas

A \`?\` marks a member that may be absent.

${Object.entries(document.components.schemas)
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .map(([name, schema]) => schemaSection(name, schema))
  .join('\n')}`;
}

/** The last paragraph of a description says what policy has to allow. */
function needsOf({ description }: Operation): string {
  const [needs = ''] = description.split('\n\n').slice(-1);
  return needs
    .replace('The action', 'the action')
    .replace(' Never for an operator who acts in the tenant by a grant.', ' Never by a grant.')
    .replace(/\.$/, '');
}

function section(
  tag: string,
  operations: readonly { readonly method: string; readonly path: string; readonly operation: Operation }[],
): string {
  return `## ${tag}

${operations.map(({ method, path, operation }) => operationText(method, path, operation)).join('\n')}`;
}

function operationText(method: string, path: string, operation: Operation): string {
  const { parameters = [], requestBody, responses, description, summary } = operation;
  const [, body] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  const query = parameters.filter((each) => each.in === 'query');
  const lines = [
    `### \`${method} ${path}\``,
    '',
    `${summary.replace(/([^?])$/, '$1.')}${description.includes('\n\n') ? ` ${description.split('\n\n').slice(0, -1).join(' ')}` : ''}`,
    '',
    ...(query.length === 0
      ? []
      : [
          `- query: ${query.map(({ name, schema, description: text }) => `\`${name}\` ${typeOf(schema)}${text === undefined ? '' : ` (${text.replace(/\.$/, '')})`}`).join('; ')}`,
        ]),
    ...(body === undefined ? [] : [`- body: ${typeOf(body.schema)}`]),
    ...Object.entries(responses)
      .filter(([status]) => Number(status) < 400)
      .map(([status, answer]) => `- ${status}: ${answer.description.replace(/\.$/, '')}${contentOf(answer.content)}`),
    `- errors: ${Object.entries(responses)
      .filter(([status]) => Number(status) >= 400)
      .map(
        ([status, answer]) =>
          `${status} ${[...answer.description.matchAll(/`(\w+)`:/g)].map(([, code = '']) => `\`${code}\``).join(' ')}`,
      )
      .join(', ')}`,
    '',
  ];
  return lines.join('\n');
}

function contentOf(content: Readonly<Record<string, { readonly schema: Schema }>> | undefined): string {
  const types = Object.entries(content ?? {}).map(([type, { schema }]) =>
    type === 'application/json' ? typeOf(schema) : `\`${type}\``,
  );
  return types.length === 0 ? '' : ` — ${types.join(' or ')}`;
}

function schemaSection(name: string, schema: Schema): string {
  const members = Object.entries(schema.properties ?? {});
  const rows = members.map(
    ([member, each]) =>
      `- \`${member}${schema.required?.includes(member) === true ? '' : '?'}\`: ${typeOf(each)}${each.description === undefined ? '' : `. ${each.description}`}`,
  );
  return `### ${name}

${rows.length === 0 ? typeOf(schema) : rows.join('\n')}
`;
}

/** A type, in a few words. */
function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.replace('#/components/schemas/', '');
    return `[${name}](#${name.toLowerCase()})`;
  }
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices !== undefined) return choices.map(typeOf).join(' or ');
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(' \\| ');
  if (schema.items !== undefined) return `list of ${typeOf(schema.items)}${nullable(schema)}`;
  if (schema.properties !== undefined)
    return `{ ${Object.entries(schema.properties)
      .map(([name, each]) => `${name}${schema.required?.includes(name) === true ? '' : '?'}: ${typeOf(each)}`)
      .join(', ')} }`;
  if (typeof schema.additionalProperties === 'object') return `map of ${typeOf(schema.additionalProperties)}`;
  const types = schema.type === undefined ? ['anything'] : [schema.type].flat();
  const range =
    schema.minimum === undefined || schema.maximum === undefined || schema.maximum > 1e9
      ? ''
      : ` ${String(schema.minimum)}–${String(schema.maximum)}`;
  return `${types.map((type) => (schema.format === 'date-time' && type === 'string' ? 'time' : type)).join(' or ')}${range}`;
}

function nullable({ type }: Schema): string {
  return Array.isArray(type) && type.includes('null') ? ' or null' : '';
}
