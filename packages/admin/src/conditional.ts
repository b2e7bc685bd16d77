import { PortcullisError } from '@portcullis/core';

/** One entity tag, or several with commas. @see RFC 9110, section 8.8.3 */
const tagList = /^(?:W\/)?"[\x21\x23-\x7e]*"(?:[ \t]*,[ \t]*(?:W\/)?"[\x21\x23-\x7e]*")*$/;

/**
 * Refuses a change that is based on another state of the record than the present one. Tags are compared strongly: a
 * weak one matches nothing.
 *
 * @param current - the present entity tag; `undefined` where there is no such record
 * @throws PortcullisError `precondition_required`, `precondition_failed`, `request_invalid`
 * @see RFC 9110, section 13.1.1; RFC 6585, section 3
 */
export function requireMatch(ifMatch: string | undefined, current: string | undefined): void {
  if (ifMatch === undefined) throw new PortcullisError('precondition_required');
  const matches = ifMatch.trim() === '*' ? current !== undefined : tagsOf(ifMatch).includes(current ?? '');
  if (!matches) throw new PortcullisError('precondition_failed');
}

/**
 * Whether `If-None-Match` names the present state. Tags are compared weakly; a header that is malformed names none, and
 * costs the caller an answer that it had. @see RFC 9110, section 13.1.2
 */
export function isUnchanged(ifNoneMatch: string | undefined, current: string | undefined): boolean {
  const header = ifNoneMatch?.trim();
  if (header === undefined || current === undefined) return false;
  if (header === '*') return true;
  return tagList.test(header) && tagsIn(header).some((tag) => tag.replace(/^W\//, '') === current);
}

/** Whether a `PUT` says that the record has to be new. */
export function hasToBeNew(ifNoneMatch: string | undefined): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() !== '*')
    throw new PortcullisError('request_invalid', 'if-none-match: only `*` has a meaning for a change');
  return true;
}

function tagsOf(header: string): readonly string[] {
  const value = header.trim();
  if (!tagList.test(value)) throw new PortcullisError('request_invalid', 'the entity tag is malformed');
  return tagsIn(value);
}

function tagsIn(header: string): readonly string[] {
  return header.match(/(?:W\/)?"[^"]*"/g) ?? [];
}
