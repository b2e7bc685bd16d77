/** A JSON value, as policies see it. */
export type AttributeValue =
  string | number | boolean | null | readonly AttributeValue[] | { readonly [name: string]: AttributeValue };

/** Named attributes of a principal or a resource. */
export type Attributes = Readonly<Record<string, AttributeValue>>;
