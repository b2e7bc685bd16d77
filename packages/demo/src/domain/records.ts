import { z } from 'zod';

/** A document of a tenant's. */
export const documentSchema = z.object({
  id: z.string(),
  title: z.string(),
  text: z.string(),
  author: z.string(),
  classification: z.enum(['public', 'internal', 'confidential', 'secret']),
  sharedWith: z.array(z.string()),
});
/** A ticket of a tenant's. */
export const ticketSchema = z.object({
  id: z.string(),
  subject: z.string(),
  status: z.enum(['open', 'closed']),
  comments: z.array(z.object({ author: z.string(), text: z.string() })),
});
/** An invoice of a tenant's. */
export const invoiceSchema = z.object({
  id: z.string(),
  amount: z.number().min(0),
  status: z.enum(['open', 'paid', 'refunded']),
});

export type Document = z.infer<typeof documentSchema>;
export type Ticket = z.infer<typeof ticketSchema>;
export type Invoice = z.infer<typeof invoiceSchema>;
