import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Submission, formatSubmission, readSubmission } from './submission-file.ts';

const whole: Submission = {
  sender: 'bob',
  fullName: 'Bob Ö.',
  recipients: ['alice', 'x@example.org'],
  bodyType: '8BITMIME',
  notify: ['FAILURE', 'DELAY'],
  ret: 'HDRS',
  envelopeId: 'q1',
};

const file = (json: string): Buffer => Buffer.from(`postcote submission 1\n${json}\nhello\n`);

describe('readSubmission', () => {
  it('reads what sendmail wrote, and where the message begins', () => {
    const text = `${formatSubmission(whole)}Subject: x\n`;
    const read = readSubmission(Buffer.from(text));
    expect(read).toMatchObject({ kind: 'read' });
    if (read.kind !== 'read') return;
    expect(new Set(read.submission.notify)).toEqual(new Set(whole.notify));
    expect({ ...read.submission, notify: whole.notify }).toEqual(whole);
    expect(Buffer.from(text).toString('utf8', read.at)).toBe('Subject: x\n');
    for (let cut = 0; cut < read.at; cut++)
      expect(readSubmission(Buffer.from(text).subarray(0, cut)).kind).toBe('incomplete');
  });

  it.each([
    ['{}'],
    ['[]'],
    ['null'],
    ['{"sender":"a","recipients":[]}'],
    ['{"sender":1,"recipients":["a"]}'],
    ['{"sender":"a","recipients":["a",""]}'],
    [String.raw`{"sender":"a\r\nX: y","recipients":["a"]}`],
    [String.raw`{"sender":"a","recipients":["a\u0000"]}`],
    ['{"sender":"a","recipients":["a"],"notify":["ALWAYS"]}'],
    ['{"sender":"a","recipients":["a"],"notify":[]}'],
    ['not json'],
  ])('refuses %s', (json) => {
    expect(readSubmission(file(json)).kind).toBe('malformed');
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.json(), (octets, json) => {
        readSubmission(Buffer.from(octets));
        readSubmission(file(json));
      }),
    );
  });
});
