import { describe, expect, it } from 'vitest';
import { escapeControls, formatLine } from './format.ts';

const event = {
  time: new Date(2026, 2, 4, 5, 6, 7),
  level: 'warn',
  program: 'postfix/smtpd',
  pid: 71,
  message: 'connect from unknown[127.0.0.1]',
} as const;

describe('formatLine', () => {
  it('writes what syslog would have written', () => {
    expect(formatLine(event, 'syslog', 'mail')).toBe(
      'Mar  4 05:06:07 mail postfix/smtpd[71]: connect from unknown[127.0.0.1]\n',
    );
  });
  it('gives journald the priority', () => {
    expect(formatLine(event, 'journal', 'mail')).toBe(
      '<4>postfix/smtpd[71]: connect from unknown[127.0.0.1]\n',
    );
  });
  it('stays one line and one write', () => {
    const line = formatLine({ ...event, message: `a\r\nb${'x'.repeat(10_000)}` }, 'journal', 'mail');
    expect(line.indexOf('\n')).toBe(line.length - 1);
    expect(Buffer.byteLength(line)).toBeLessThanOrEqual(4096);
    expect(line).toContain('a\\x0d\\x0ab');
  });
});

describe('escapeControls', () => {
  it.each([
    ['plain é ü', 'plain é ü'],
    ['\x1b[31m', '\\x1b[31m'],
    ['a\u2028b\u202e', 'a\\u2028b\\u202e'],
    ['\x00\x7f\x9b', '\\x00\\x7f\\x9b'],
  ])('%j', (text, shown) => expect(escapeControls(text)).toBe(shown));
});
