// What any store allows of annotations (RFC 5464).

import { type Annotations, MailboxError } from './port.ts';

/** Octets of one value; entries of one mailbox, and octets of all of them. */
export const MAX_ANNOTATION = 64 * 1024;
export const MAX_ANNOTATIONS = 200;
export const MAX_ALL_ANNOTATIONS = 256 * 1024;

/** Throws `limit`. */
export function checkAnnotations(annotations: Annotations): void {
  let octets = 0;
  for (const [entry, value] of annotations) {
    octets += entry.length + value.length;
    if (value.length > MAX_ANNOTATION) throw new MailboxError('limit', `annotation ${entry} is too large`);
  }
  if (annotations.size > MAX_ANNOTATIONS || octets > MAX_ALL_ANNOTATIONS)
    throw new MailboxError('limit', 'too many annotations of one mailbox');
}
