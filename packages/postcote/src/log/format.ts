// How one log line looks. Postfix's and Dovecot's programs are known by the lines syslog made of their messages;
// fail2ban filters, pflogsumm and administrators' eyes read those, so ours have the same form.

import type { LogLevel } from '@postcote/wire';

/**
 * `syslog`: `Nov 24 20:33:47 host postfix/smtpd[71]: connect from …`, as in mail.log.
 * `journal`: `<6>postfix/smtpd[71]: connect from …`, which journald stores with its priority (sd-daemon(3)).
 */
export type LineStyle = 'syslog' | 'journal';

export interface LogEvent {
  readonly time: Date;
  readonly level: LogLevel;
  readonly program: string;
  readonly pid: number;
  readonly message: string;
}

/** syslog(3) priorities. */
const PRIORITY: Readonly<Record<LogLevel, number>> = { debug: 7, info: 6, warn: 4, error: 3, fatal: 2 };
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** A pipe takes this much in one piece (PIPE_BUF), so lines of several processes never mix. */
const MAX_LINE = 4000;

export function formatLine(event: LogEvent, style: LineStyle, host: string): string {
  const text = `${event.program}[${event.pid}]: ${escapeControls(event.message)}`;
  const line = text.length > MAX_LINE ? `${text.slice(0, MAX_LINE)}…` : text;
  if (style === 'journal') return `<${PRIORITY[event.level]}>${line}\n`;
  return `${formatTime(event.time)} ${host} ${line}\n`;
}

/** Control characters and line breaks cannot start a line of their own in the log (security.md 12). */
export function escapeControls(text: string): string {
  // C0, DEL, C1, and the Unicode line and direction marks that fake lines in a terminal.
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (c) => {
    const code = c.charCodeAt(0);
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** RFC 3164 time: local, day padded with a space. */
function formatTime(time: Date): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const day = String(time.getDate()).padStart(2, ' ');
  return `${MONTHS[time.getMonth()]} ${day} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}
