// bounce(5): an administrator's own words for notifications. Pure: the file's text and what `$name` means in, templates out.
//
//   failure_template = <<EOF
//   Subject: …            a few headers
//
//   text with $myhostname and $maximal_queue_lifetime_days
//   EOF
//
// What cannot be read is a problem with its line, and the words of the server's own stay in force for that template.

import type { NoticeKind } from './notice.ts';

export interface NoticeTemplate {
  readonly charset?: string;
  readonly from?: string;
  readonly subject?: string;
  readonly postmasterSubject?: string;
  readonly text: readonly string[];
}

export interface TemplatesRead {
  readonly templates: Readonly<Partial<Record<NoticeKind, NoticeTemplate>>>;
  /** `12: unknown template "failure"`: the line and what is wrong. */
  readonly problems: readonly string[];
}

const NAMES: ReadonlyMap<string, NoticeKind | undefined> = new Map([
  ['failure_template', 'failure'],
  ['delay_template', 'delay'],
  ['success_template', 'success'],
  // Reports of `sendmail -bv`, which prints them.
  ['verify_template', undefined],
]);
const HEADERS: ReadonlyMap<string, keyof NoticeTemplate> = new Map([
  ['charset', 'charset'],
  ['from', 'from'],
  ['subject', 'subject'],
  ['postmaster-subject', 'postmasterSubject'],
]);
const MAX_LINES = 2_000;

/** `valueOf`: a parameter's value, or undefined for a name that is none. */
export function readTemplates(text: string, valueOf: (name: string) => string | undefined): TemplatesRead {
  const templates: Partial<Record<NoticeKind, NoticeTemplate>> = {};
  const problems: string[] = [];
  const lines = text.split(/\r?\n/).slice(0, MAX_LINES);
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    if (/^\s*(?:#|$)/.test(line)) continue;
    const number = at + 1;
    const opening = /^(\w+)\s*=\s*<<\s*(\S+)\s*$/.exec(line);
    const [, name = '', end = ''] = opening ?? [];
    const last = opening === null ? -1 : lines.findIndex((one, i) => i > at && one.trim() === end);
    if (opening === null || last === -1) {
      const what =
        opening === null ? 'expected "name_template = <<EOF"' : `there is no line "${end}" that ends it`;
      problems.push(`${number}: ${what}`);
      break;
    }
    const body = lines.slice(at + 1, last);
    at = last;
    if (!NAMES.has(name)) {
      problems.push(`${number}: unknown template "${name}"`);
      continue;
    }
    const kind = NAMES.get(name);
    const template = readTemplate(body, valueOf);
    if (typeof template === 'string') problems.push(`${number}: ${name}: ${template}`);
    else if (kind !== undefined) templates[kind] = template;
  }
  return { templates, problems };
}

function readTemplate(
  lines: readonly string[],
  valueOf: (name: string) => string | undefined,
): NoticeTemplate | string {
  const headers: Partial<Record<keyof NoticeTemplate, string>> = {};
  let at = 0;
  for (; at < lines.length && (lines[at] ?? '').trim() !== ''; at++) {
    const match = /^([A-Za-z-]+):\s*([\x20-\x7e]*)$/.exec(lines[at] ?? '');
    const name = HEADERS.get(match?.[1]?.toLowerCase() ?? '');
    if (name === undefined) return `"${(lines[at] ?? '').slice(0, 60)}" is no header of a template`;
    headers[name] = (match?.[2] ?? '').trim();
  }
  const text: string[] = [];
  for (const line of lines.slice(at + 1)) {
    const expanded = expandLine(line, valueOf);
    if (expanded === undefined) return `"${line.trim().slice(0, 60)}" names a parameter that there is not`;
    text.push(expanded);
  }
  if (text.length === 0) return 'it has no text';
  const { charset, from, subject, postmasterSubject } = headers;
  // POSTFIX: us-ascii where nothing is said, and no octet beyond it then.
  if ((charset ?? 'us-ascii').toLowerCase() === 'us-ascii' && text.some((line) => /[^\0-\x7f]/.test(line)))
    return 'it has characters beyond us-ascii, and no Charset: of its own';
  return {
    text,
    ...(charset === undefined ? {} : { charset }),
    ...(from === undefined ? {} : { from }),
    ...(subject === undefined ? {} : { subject }),
    ...(postmasterSubject === undefined ? {} : { postmasterSubject }),
  };
}

/** `$name`, `${name}`, `$(name)`; `$$` is a dollar. */
function expandLine(line: string, valueOf: (name: string) => string | undefined): string | undefined {
  let known = true;
  const expanded = line.replace(
    /\$(?:\$|\{(\w+)\}|\((\w+)\)|(\w+))/g,
    (whole, braced?: string, bracketed?: string, plain?: string) => {
      if (whole === '$$') return '$';
      const value = valueOf(braced ?? bracketed ?? plain ?? '');
      known &&= value !== undefined;
      return value ?? '';
    },
  );
  return known ? expanded.replace(/[\0-\x08\x0a-\x1f\x7f]/g, '?') : undefined;
}

const UNITS: ReadonlyMap<string, number> = new Map([
  ['seconds', 1],
  ['minutes', 60],
  ['hours', 3_600],
  ['days', 86_400],
  ['weeks', 604_800],
]);

/** `delay_warning_time_hours`: a time in another unit, of parameters whose values are in seconds. */
export function timeInUnit(name: string, secondsOf: (parameter: string) => number): string | undefined {
  const match = /^(delay_warning_time|maximal_queue_lifetime)_(\w+)$/.exec(name);
  const unit = UNITS.get(match?.[2] ?? '');
  if (match === null || unit === undefined) return undefined;
  return String(Math.floor(secondsOf(match[1] ?? '') / unit));
}
