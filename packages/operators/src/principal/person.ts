import type { Identity } from '@portcullis/core';

/** What is kept of a person, to tell whether somebody else is another one. */
export interface Person {
  readonly key: string;
  readonly subject: string;
  readonly sub: string;
  readonly email?: string | undefined;
}

/** What is compared of an identity. */
export function personOf({ key, subject, sub, email }: Identity): Person {
  const address = email?.trim().toLowerCase();
  return { key, subject, sub, ...(address === undefined || address === '' ? {} : { email: address }) };
}

/**
 * Whether two identities may be one person: the same key, the same subject at whichever provider, or the same e-mail
 * address. It errs towards yes, because its answer only ever refuses. Somebody with two accounts that share none of
 * these is two persons to it: give each operator one account, at one provider.
 */
export function mayBeOnePerson(a: Person, b: Person): boolean {
  const subjects = [b.subject, b.sub];
  return (
    a.key === b.key ||
    subjects.includes(a.subject) ||
    subjects.includes(a.sub) ||
    (a.email !== undefined && a.email === b.email)
  );
}
