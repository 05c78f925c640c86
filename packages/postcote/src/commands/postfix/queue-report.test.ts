import { expect, it } from 'vitest';
import { formatMasterRow, readMasterRows } from './master-rows.ts';
import { type ReportedMessage, formatJson, formatReport, formatReportEnd } from './queue-report.ts';

const REASON = 'connect to 127.0.0.1[127.0.0.1]:1: Connection refused';
const message: ReportedMessage = {
  id: 'CE6C823804B',
  queue: 'deferred',
  sender: 'root@mail.test.example',
  size: 322,
  arrivedAt: new Date(2026, 10, 4, 22, 16, 34).getTime(),
  recipients: [
    { address: 'hid@example.org', reason: REASON },
    { address: 'x@example.org', reason: REASON },
  ],
};

// What Postfix 3.7 printed for the same.
it('prints a message as Postfix does', () => {
  expect(formatReport(message)).toBe(`CE6C823804B     322 Wed Nov  4 22:16:34  root@mail.test.example
                       (connect to 127.0.0.1[127.0.0.1]:1: Connection refused)
                                         hid@example.org
                                         x@example.org

`);
  expect(formatReport({ ...message, queue: 'active', sender: '' })).toMatch(
    /^CE6C823804B\* {5}322 .* {2}MAILER-DAEMON\n/,
  );
  expect(formatReport({ ...message, queue: 'hold' })).toMatch(/^CE6C823804B! /);
  expect(formatReportEnd(322, 1)).toBe('-- 0 Kbytes in 1 Request.\n');
  expect(formatReportEnd(2048, 3)).toBe('-- 2 Kbytes in 3 Requests.\n');
});

it('moves no cursor', () => {
  expect(formatReport({ ...message, sender: 'a\x1b[2J\nb' })).toContain('a?[2J?b');
});

it('prints JSON in the order that scripts cut', () => {
  expect(formatJson({ ...message, recipients: [{ address: 'x@example.org', reason: REASON }] })).toBe(
    `{"queue_name": "deferred", "queue_id": "CE6C823804B", "arrival_time": ${message.arrivedAt / 1000}, "message_size": 322, ` +
      `"forced_expire": false, "sender": "root@mail.test.example", "recipients": [{"address": "x@example.org", "delay_reason": "${REASON}"}]}\n`,
  );
});

it("prints master.cf's rows as Postfix does", () => {
  const rows = readMasterRows(`# x
127.0.0.1:2599 inet n - n - - smtpd
relay unix - - n - - smtp
   -o syslog_name=postfix/$service_name
scalemail-backend unix - n n - 2 pipe
`);
  expect(rows.map((row) => formatMasterRow(row, false))).toEqual([
    '127.0.0.1:2599 inet n    -       n       -       -       smtpd\n',
    'relay      unix  -       -       n       -       -       smtp -o syslog_name=postfix/$service_name\n',
    'scalemail-backend unix - n       n       -       2       pipe\n',
  ]);
  expect(formatMasterRow(rows[1] ?? [], true)).toBe(
    'relay      unix  -       -       n       -       -       smtp\n    -o syslog_name=postfix/$service_name\n',
  );
});
