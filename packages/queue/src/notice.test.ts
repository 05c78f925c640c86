import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MessageEnvelope } from './envelope.ts';
import { formatNotice, type NoticeFacts, type NoticeRecipient } from './notice.ts';
import { defaultQueueSettings, type NoticeSettings } from './settings.ts';

const SETTINGS: NoticeSettings = { ...defaultQueueSettings.notices, myhostname: 'mx.example.com' };
const ENVELOPE: MessageEnvelope = {
  sender: 'from@example.com',
  smtpUtf8: false,
  envelopeId: 'e1',
  client: { address: '192.0.2.1', port: 1, name: 'c', reverseName: 'c' },
  helo: 'c',
  protocol: 'ESMTP',
};
const one = (
  given: Partial<NoticeRecipient['result']> = {},
  address = 'to@example.net',
): NoticeRecipient => ({
  recipient: {
    index: 0,
    address,
    original: 'alias@example.com',
    destination: { transport: 'smtp', nexthop: 'example.net' },
  },
  result: { index: 0, status: 'bounced', dsn: '5.1.1', text: 'host mx said: 550 no', ...given },
});
const facts = (given: Partial<NoticeFacts> = {}): NoticeFacts => ({
  kind: 'failure',
  queueId: 'ABC',
  envelope: ENVELOPE,
  arrivedAt: 1_700_000_000_000,
  retryUntil: 1_700_400_000_000,
  recipients: [one()],
  original: Buffer.from('Subject: s\r\n\r\nbody\r\n'),
  whole: true,
  ...given,
});
const format = (
  given: Partial<NoticeFacts> = {},
  settings: Partial<NoticeSettings> = {},
  forPostmaster = false,
): string =>
  formatNotice(
    facts(given),
    { queueId: 'DEF', to: 'from@example.com', now: 1_700_000_001_000, forPostmaster },
    { ...SETTINGS, ...settings },
  ).toString('utf8');

/** The parts between the boundaries. */
function parts(text: string): string[] {
  const boundary = /boundary="([^"]+)"/.exec(text)?.[1] ?? '';
  return text.split(`\r\n--${boundary}`).slice(1, -1);
}

describe('formatNotice', () => {
  it('a failure: three parts, every field of RFC 3464 that is known', () => {
    const text = format({ recipients: [one({ remoteMta: 'mx.example.net', diagnostic: '550 5.1.1 no' })] });
    expect(text).toMatch(/^From: MAILER-DAEMON@mx\.example\.com \(Mail Delivery System\)\r$/m);
    expect(text).toContain('Subject: Undelivered Mail Returned to Sender\r\n');
    expect(text).toContain('Auto-Submitted: auto-replied\r\n');
    expect(text).toMatch(/Content-Type: multipart\/report; report-type=delivery-status;/);
    const [people = '', report = '', original = ''] = parts(text);
    expect(people).toContain('<to@example.net> (expanded from <alias@example.com>): host mx said: 550 no');
    expect(report).toContain('Content-Type: message/delivery-status\r\n');
    for (const field of [
      'Reporting-MTA: dns; mx.example.com',
      'Original-Envelope-Id: e1',
      'X-Postfix-Queue-ID: ABC',
      'X-Postfix-Sender: rfc822; from@example.com',
      'Final-Recipient: rfc822; to@example.net',
      'Original-Recipient: rfc822;alias@example.com',
      'Action: failed',
      'Status: 5.1.1',
      'Remote-MTA: dns; mx.example.net',
      'Diagnostic-Code: smtp; 550 5.1.1 no',
    ])
      expect(report).toContain(`${field}\r\n`);
    expect(original).toContain('Content-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\nbody\r\n');
  });

  it.each<[NoticeFacts['kind'], Partial<NoticeRecipient['result']>, string, string]>([
    ['delay', { status: 'deferred', dsn: '4.4.1' }, 'delayed', 'Delayed Mail (still being retried)'],
    [
      'success',
      { status: 'sent', dsn: '2.0.0', final: true },
      'delivered',
      'Successful Mail Delivery Report',
    ],
    ['success', { status: 'sent', dsn: '2.0.0' }, 'relayed', 'Successful Mail Delivery Report'],
    [
      'success',
      { status: 'sent', dsn: '2.0.0', expanded: true },
      'expanded',
      'Successful Mail Delivery Report',
    ],
  ])('%s %j: %s', (kind, result, action, subject) => {
    const text = format({ kind, recipients: [one(result)], whole: false });
    expect(text).toContain(`Subject: ${subject}\r\n`);
    expect(text).toContain(`Action: ${action}\r\n`);
    expect(text.includes('Will-Retry-Until:')).toBe(kind === 'delay');
    const original = parts(text)[2] ?? '';
    expect(original).toContain('text/rfc822-headers\r\n\r\nSubject: s\r\n');
    expect(original).not.toContain('body');
  });

  it('is global for addresses beyond ASCII (RFC 6533)', () => {
    const text = format({ recipients: [one({}, 'jürgen@example.net')] });
    expect(text).toContain('Content-Type: message/global-delivery-status\r\n');
    expect(text).toContain('Final-Recipient: utf-8; jürgen@example.net\r\n');
  });

  it('speaks an administrator’s words', () => {
    const template = {
      charset: 'utf-8',
      from: 'MAILER-DAEMON (Poststelle)',
      subject: 'Unzustellbar',
      postmasterSubject: 'Kopie',
      text: ['Grüße von mx', ''],
    };
    const text = format({}, { templates: { failure: template } });
    expect(text).toContain('From: MAILER-DAEMON@mx.example.com (Poststelle)\r\nSubject: Unzustellbar\r\n');
    const people = parts(text)[0] ?? '';
    expect(people).toContain('charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße von mx\r\n');
    expect(people).toContain('<to@example.net>');
    expect(people).not.toContain('not going to be tried again');
    expect(format({}, { templates: { failure: template } }, true)).toContain('Subject: Kopie\r\n');
    // Of the other kinds nothing was said.
    expect(format({ kind: 'delay' }, { templates: { failure: template } })).toContain(
      'Subject: Delayed Mail',
    );
  });

  it('whatever a server says, no header of its own and no long line comes of it', () => {
    const nasty = fc
      .array(fc.constantFrom('\r\n', '\n', '\r', 'X-Evil: 1', ' ', 'x'.repeat(300), 'é', '\0'), {
        maxLength: 20,
      })
      .map((list) => list.join(''));
    fc.assert(
      fc.property(nasty, nasty, nasty, (text, diagnostic, remoteMta) => {
        const notice = format({ recipients: [one({ text, diagnostic, remoteMta })] });
        expect(notice).not.toMatch(/\r(?!\n)|(?<!\r)\n|^X-Evil/m);
        for (const line of notice.split('\r\n')) expect(line.length).toBeLessThanOrEqual(998);
      }),
      { numRuns: 200 },
    );
  });
});
