import { base64Of, bytesOfBase64 } from '../bytes.js';
import { overload, type Overload } from '../overload.js';

/** Base64. */
export const encoders: readonly Overload[] = [
  overload('base64.encode', ['bytes'], 'string', ({ bytes }, work) => {
    work.spend(bytes.length >> 2);
    return base64Of(bytes);
  }),
  overload('base64.decode', ['string'], 'bytes', (text, work) => {
    work.spend(text.length >> 2);
    return bytesOfBase64(text);
  }),
];
