import { z } from '@hono/zod-openapi';
import type { ErrorCode } from '@portcullis/core';
import type { Answer } from './answer.js';
import type { Caller, Subject } from './caller.js';
import { parsed } from './parse.js';

/**
 * What a request needs to be allowed to do. There is no endpoint without.
 *
 * `nobody`: it is public. `oneself`: any verified identity, about itself and nothing else. `operator`: any operator;
 * which action on which tenant it takes depends on the grant concerned, and the operators' service asks. `platform`: the
 * action on the platform as a whole, which only an operator can have. `tenant`: the action on the tenant of the path.
 */
export type Authorization =
  | { readonly on: 'nobody' }
  | { readonly on: 'oneself' }
  | { readonly on: 'operator' }
  | { readonly on: 'platform'; readonly action: string }
  | {
      readonly on: 'tenant';
      readonly action: string;
      /** Asked along with it, and no condition: what the caller may do beyond. */
      readonly also?: readonly string[] | undefined;
      /** An operator may name a tenant that is not registered. @defaultValue `false` */
      readonly mayBeAbsent?: boolean | undefined;
      /** An operator who acts in the tenant by a grant is refused, whatever policy says. @defaultValue `false` */
      readonly neverActing?: boolean | undefined;
    };

/** How an answer is described. */
export interface AnswerDescription {
  readonly description: string;
  readonly schema?: z.ZodType | undefined;
  /** Other media types of the same answer. */
  readonly texts?: readonly string[] | undefined;
  readonly headers?: readonly string[] | undefined;
}

/** What comes with every call. */
export interface Scene {
  readonly caller: Caller;
  /** The tenant of the path; `undefined` where the path names none. */
  readonly subject: Subject | undefined;
  readonly requestId: string;
  readonly header: (name: string) => string | undefined;
  /** Whether policy allows one of the actions of `also`. */
  readonly may: (action: string) => Promise<boolean>;
  readonly signal: AbortSignal;
}

/** A call of an endpoint: the scene, and what was asked for. */
interface Call<Params, Query, Body> extends Scene {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
}

/** What is said of an endpoint, beside what it does. */
export interface EndpointDescription {
  /** Unique: the operation's id in the OpenAPI document. */
  readonly id: string;
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** Below the base path, with `{name}` for parameters. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string | undefined;
  readonly authorize: Authorization;
  /** Whether a change has to say what it is based on: by `If-Match`, or for `new` by `If-None-Match: *` as well. */
  readonly conditional?: 'match' | 'match-or-new' | undefined;
  readonly answers: Readonly<Record<number, AnswerDescription>>;
  /** Codes that only this endpoint answers with. */
  readonly errors?: readonly ErrorCode[] | undefined;
}

/** The schemas of a request. */
interface RequestSchemas {
  readonly params: z.ZodObject;
  readonly query: z.ZodObject;
  readonly body: z.ZodType | undefined;
}

/** The parts of a request, as they came. */
interface RawRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** A request that is well-formed. */
export interface Prepared {
  /** `Identity.key` of the user that it is about, where it is about one. */
  readonly member: string | undefined;
  run(scene: Scene): Promise<Answer>;
}

/** An endpoint, whatever its types. */
export interface Endpoint extends EndpointDescription {
  readonly schemas: RequestSchemas;
  /** The answer to everybody, of an endpoint that needs nothing. */
  readonly constant?: (() => Answer) | undefined;
  /** @throws PortcullisError `request_invalid` */
  prepare(raw: RawRequest): Prepared;
}

interface Definition<
  Params extends z.ZodObject,
  Query extends z.ZodObject,
  Body extends z.ZodType,
> extends EndpointDescription {
  readonly params: Params;
  readonly query: Query;
  readonly body?: Body | undefined;
  /** `Identity.key` of the user that the request is about: policies look at it. */
  readonly member?: ((params: z.output<Params>, body: z.output<Body>) => string) | undefined;
  readonly handle: (call: Call<z.output<Params>, z.output<Query>, z.output<Body>>) => Promise<Answer>;
}

/** Makes an endpoint that gives everybody the same. */
export function publicEndpoint(
  description: Omit<EndpointDescription, 'authorize' | 'method'>,
  constant: () => Answer,
): Endpoint {
  return {
    ...description,
    method: 'get',
    authorize: { on: 'nobody' },
    schemas: { params: z.strictObject({}), query: z.strictObject({}), body: undefined },
    constant,
    prepare: () => {
      throw new TypeError('a public endpoint is not prepared');
    },
  };
}

/** Makes an endpoint of typed schemas and a handler that gets what they parse. */
export function endpoint<Params extends z.ZodObject, Query extends z.ZodObject, Body extends z.ZodType>(
  definition: Definition<Params, Query, Body>,
): Endpoint {
  const { params: paramsSchema, query: querySchema, body: bodySchema, member, handle, ...description } = definition;
  return {
    ...description,
    schemas: { params: paramsSchema, query: querySchema, body: bodySchema },
    prepare(raw) {
      const params = parsed(paramsSchema, raw.params, 'path') as z.output<Params>;
      const query = parsed(querySchema, raw.query, 'query') as z.output<Query>;
      const body = (bodySchema === undefined ? undefined : parsed(bodySchema, raw.body, 'body')) as z.output<Body>;
      return {
        member: member?.(params, body),
        run: (scene) => handle({ ...scene, params, query, body }),
      };
    },
  };
}
