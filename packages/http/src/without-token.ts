/**
 * The same request, in which the bearer token cannot be found any more. A view and not a copy: to construct a request
 * costs more than everything else that happens at the edge.
 *
 * @see MCP authorization, "Access token privilege restriction"
 */
export function withoutToken(request: Request): Request {
  let headers: Headers | undefined;
  return new Proxy(request, {
    get(target, member) {
      if (member === 'headers') {
        headers ??= strippedHeaders(target.headers);
        return headers;
      }
      if (member === 'clone') return () => withoutToken(target.clone());
      const value: unknown = Reflect.get(target, member, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

function strippedHeaders(headers: Headers): Headers {
  const stripped = new Headers(headers);
  stripped.delete('authorization');
  return stripped;
}
