// Mailbox names a client may create, with Dovecot's reasons. The store checks again; here the answer gets its words.

const RESERVED: ReadonlySet<string> = new Set(['cur', 'new', 'tmp']);
const MAX_COMPONENT = 255;
const MAX_LEVELS = 100;

/** Why `name` cannot be made, or undefined. */
export function nameProblem(name: string): string | undefined {
  if (name === '') return 'Name is empty';
  if (name.startsWith('/')) return 'Begins with hierarchy separator';
  if (name.startsWith('~')) return "Begins with '~'";
  const parts = name.split('/');
  if (parts.length > MAX_LEVELS) return 'Too many hierarchy levels';
  for (const part of parts) {
    if (part === '') return 'Has adjacent hierarchy separators';
    if (part === '.' || part === '..') return `Contains '${part}' part`;
    if (RESERVED.has(part)) return 'Contains reserved name';
    if (part.length > MAX_COMPONENT) return 'Mailbox name too long';
  }
  return undefined;
}
