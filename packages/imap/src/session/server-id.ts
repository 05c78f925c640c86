// The server's answer to ID (RFC 2971), and what clients say of themselves, for the log.
//
// DOVECOT: imap_id_send is a list of names and values in which `*` stands for what we would say: the name, and where
// asked for by name also the version. By default nothing helps an attacker to choose.

import { formatString } from '../codec/response.ts';

const OURS: ReadonlyMap<string, string> = new Map([['name', 'postcote']]);

/** `setting`: imap_id_send. */
export function formatServerId(setting = 'name *'): string {
  const words = setting.split(/\s+/).filter((word) => word !== '');
  const pairs: string[] = [];
  for (let at = 0; at + 1 < words.length; at += 2) {
    const name = words[at] as string;
    const given = words[at + 1] as string;
    const value = given === '*' ? OURS.get(name.toLowerCase()) : given;
    if (value !== undefined) pairs.push(`${formatString(name)} ${formatString(value)}`);
  }
  return pairs.length === 0 ? '* ID NIL\r\n' : `* ID (${pairs.join(' ')})\r\n`;
}

/** DOVECOT: imap_id_log names the fields to log, `*` all. Undefined: nothing is to be logged. */
export function describeClientId(fields: ReadonlyMap<string, string>, setting: string): string | undefined {
  const wanted = new Set(
    setting
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== ''),
  );
  if (wanted.size === 0) return undefined;
  const shown: string[] = [];
  for (const [name, value] of fields)
    if (wanted.has('*') || wanted.has(name)) shown.push(`${clean(name)}=${clean(value)}`);
  return shown.length === 0 ? undefined : `ID sent: ${shown.join(', ')}`;
}

/** A log line has one line, and no brackets but its own. */
function clean(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.slice(0, 200).replaceAll(/[\x00-\x1f\x7f-\uffff<>]/g, '?');
}
