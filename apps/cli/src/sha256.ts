import { createHash } from 'node:crypto';

/** Of a message's body (a text as its UTF-8), hexadecimal. */
export const sha256Of = (body: string | Uint8Array): string => createHash('sha256').update(body).digest('hex');
