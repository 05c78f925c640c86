import { describe, expect, it } from 'vitest';
import { readImapHandOff, readPopHandOff } from './hand-off.ts';

const connection = {
  sessionId: 'gIPFNn4NpxdMVUX7',
  remoteAddress: '127.0.0.1',
  remotePort: 40_000,
  localAddress: '::1',
  localPort: 143,
  secured: true,
};
const imap = { ...connection, tag: 'a1', enabled: ['CONDSTORE'], clientId: { name: 'mutt' } };
const pop3 = { ...connection, protocol: 'pop3', mechanism: 'PLAIN' };

/** Replacements of members that must not pass, for both. */
const LIES: readonly Readonly<Record<string, unknown>>[] = [
  { sessionId: 'a\nb' },
  { sessionId: 7 },
  { remoteAddress: 'x'.repeat(46) },
  { remoteAddress: undefined },
  { localAddress: ['127.0.0.1'] },
  { remotePort: -1 },
  { localPort: 1.5 },
  { localPort: '143' },
  { secured: 'yes' },
];

describe('readImapHandOff', () => {
  it('takes a true one, without members it does not know', () => {
    expect(readImapHandOff({ ...imap, uid: 0 })).toEqual(imap);
  });
  it.each([
    ...LIES,
    { tag: 'a\r\n* BYE' },
    { tag: '' },
    { tag: null },
    { enabled: 5 },
    { enabled: [5] },
    { enabled: Array.from({ length: 33 }, () => 'X') },
    { clientId: null },
    { clientId: { name: { toString: 1 } } },
    { clientId: Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`f${i}`, ''])) },
  ])('refuses %j', (lie) => {
    expect(readImapHandOff({ ...imap, ...lie })).toBeUndefined();
  });
  it.each([undefined, null, 'text', 5, [], {}])('refuses %j as a whole', (value) => {
    expect(readImapHandOff(value)).toBeUndefined();
    expect(readPopHandOff(value)).toBeUndefined();
  });
});

describe('readPopHandOff', () => {
  it('takes a true one', () => {
    expect(readPopHandOff(pop3)).toEqual(pop3);
  });
  it.each([...LIES, { mechanism: 'ANONYMOUS' }, { mechanism: undefined }])('refuses %j', (lie) => {
    expect(readPopHandOff({ ...pop3, ...lie })).toBeUndefined();
  });
});
