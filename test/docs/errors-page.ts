import { errorTable, PortcullisError, type ErrorCode } from '@portcullis/core';

/** The reference page of error codes, made from the table. `npx vitest run test/docs -u` writes it. */
export function errorsPage(): string {
  const codes = Object.keys(errorTable) as ErrorCode[];
  const rows = codes.map((code) => {
    const { http, rpc, title, help } = errorTable[code];
    const read = new PortcullisError(code).toPublic();
    const asDenied = read.data['code'] === code ? title : `${title} (read as \`denied\`)`;
    return `| \`${code}\` | ${String(http)} | ${String(rpc)} | ${asDenied} | ${help} |`;
  });
  return `# Error codes

Every refusal and failure is a \`PortcullisError\` with a stable \`code\`. This page is made from \`errorTable\` in
\`@portcullis/core\`; a test holds the two together.

A caller reads the JSON-RPC error \`{ code, message, data: { code, … } }\`: \`data.code\` is the code below, and other
members of \`data\` say more where a caller may know more (\`rule\` and \`claim\` of a bad token, \`tenants\` to choose from,
\`field\` of a mapping). Details for operators go to the audit log and to \`onError\`, never to the caller. No error carries
a token.

The HTTP status counts for answers outside a JSON-RPC exchange: those of the HTTP edge (token, tenant, malformed
requests) and the step-up challenge. A denial inside an exchange is a JSON-RPC error with HTTP status 200, as COAZ-MCP
has it.

| code | HTTP | JSON-RPC | the caller reads | what it means, and what to do |
|---|---|---|---|---|
${rows.join('\n')}

## The rules of a token

\`data.rule\` of \`token_invalid\` is one of:

| rule | the token |
|---|---|
| \`format\` | is no compact JWS, has lax base64url, is too large, or has JSON with duplicate members |
| \`header\` | has a header parameter that is not allowed, as \`crit\`, \`jku\` or \`jwk\` |
| \`algorithm\` | is signed with an algorithm that is not allowed |
| \`issuer\` | names an issuer that is not configured |
| \`key\` | names a key that the issuer has not published, or that is not for this issuer |
| \`signature\` | has a signature that is not valid |
| \`audience\` | was issued for another service |
| \`expired\` | is past \`exp\` |
| \`not_yet_valid\` | is before \`nbf\` or \`iat\` |
| \`lifetime\` | lives too long, or is too old |
| \`type\` | is an id token in place of an access token, or the like |
| \`claim\` | lacks a claim or has a malformed one; \`data.claim\` names it |
| \`revoked\` | was revoked here |
`;
}
