// master.cf → its rows. A row that cannot be read is a refusal: guessing would open or close a port unasked.
//   service type private unpriv chroot wakeup maxproc command arguments…
//   -o name=value   -o { name = value }   -oname=value

import { eachLogicalLine, lineOfWord, type LogicalLine } from '../logical-lines.ts';
import { notice, refuse, type Origin, type Problem } from '../origin.ts';
import { parseDefinition, type Definition } from './main-cf.ts';

export type ServiceType = 'inet' | 'unix' | 'unix-dgram' | 'fifo' | 'pass';

export interface MasterService {
  /** `smtp`, `127.0.0.1:10025`, `private/auth`. */
  readonly name: string;
  readonly type: ServiceType;
  readonly isPrivate: boolean;
  /** 0 means no limit; undefined means `default_process_limit`. */
  readonly processLimit: number | undefined;
  /** `smtpd`, `postscreen`, `pipe`. */
  readonly command: string;
  /** What is left after the `-o` options. */
  readonly arguments: readonly string[];
  readonly overrides: ReadonlyMap<string, Definition>;
  readonly origin: Origin;
}

export interface MasterCf {
  readonly file: string;
  /** In file order; of two rows for one name and type, the last. */
  readonly services: readonly MasterService[];
  readonly problems: readonly Problem[];
}

const TYPES: ReadonlySet<string> = new Set(['inet', 'unix', 'unix-dgram', 'fifo', 'pass']);
const FIELDS_BEFORE_ARGUMENTS = 8;

export function parseMasterCf(file: string, text: string): MasterCf {
  const services = new Map<string, MasterService>();
  const problems: Problem[] = [];
  eachLogicalLine(text, (line) => {
    const origin = { file, line: line.line };
    const service = line.startsWithSpace ? 'a row must not start with white space' : parseRow(file, line);
    if (typeof service === 'string') {
      problems.push(refuse(origin, { name: '', message: `${service}: "${line.text.trim().slice(0, 100)}"` }));
      return;
    }
    const key = `${service.type} ${service.name}`;
    const earlier = services.get(key);
    if (earlier !== undefined) {
      const message = `this replaces the row in line ${earlier.origin.line}: the last one counts`;
      problems.push(notice(origin, { name: service.name, message }));
    }
    services.set(key, service);
  });
  return { file, services: [...services.values()], problems };
}

function parseRow(file: string, line: LogicalLine): MasterService | string {
  const words = splitWords(line.text);
  if (typeof words === 'string') return words;
  if (words.length < FIELDS_BEFORE_ARGUMENTS) return 'a row has eight columns, this one has fewer';
  const [
    name = '',
    type = '',
    privateFlag = '',
    unprivileged = '',
    chroot = '',
    wakeup = '',
    limit = '',
    command = '',
  ] = words;
  if (!TYPES.has(type)) return `"${type}" is not a service type (inet, unix, unix-dgram, fifo, pass)`;
  for (const flag of [privateFlag, unprivileged, chroot]) {
    if (!/^[yn-]$/.test(flag)) return `"${flag}" should be y, n or -`;
  }
  if (!/^(-|\d{1,9}\??)$/.test(wakeup)) return `"${wakeup}" is not a wake-up time`;
  if (!/^(-|\d{1,9})$/.test(limit)) return `"${limit}" is not a process limit`;
  const read = readArguments(file, line, words.slice(FIELDS_BEFORE_ARGUMENTS));
  if (typeof read === 'string') return read;
  return {
    name,
    type: type as ServiceType,
    isPrivate: privateFlag !== 'n' && type !== 'inet',
    processLimit: limit === '-' ? undefined : Number(limit),
    command: command.replace(/^.*\//, ''),
    ...read,
    origin: { file, line: line.line },
  };
}

function readArguments(
  file: string,
  line: LogicalLine,
  words: readonly string[],
): { arguments: string[]; overrides: Map<string, Definition> } | string {
  const rest: string[] = [];
  const overrides = new Map<string, Definition>();
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (!word.startsWith('-o')) {
      rest.push(word);
      continue;
    }
    let text = word.slice(2);
    if (text === '') {
      at += 1;
      text = words[at] ?? '';
    }
    const braced = text.startsWith('{') && text.endsWith('}');
    const parsed = parseDefinition(braced ? text.slice(1, -1) : text);
    if (typeof parsed === 'string') return `${parsed} in "-o ${text}"`;
    overrides.set(parsed.name, { ...parsed, origin: { file, line: lineOfWord(line, `${parsed.name}`) } });
  }
  return { arguments: rest, overrides };
}

/** Words at white space; `{ … }` is one word, braces included. A string is the complaint. */
function splitWords(text: string): string[] | string {
  const words: string[] = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text[at] ?? '')) {
      at += 1;
      continue;
    }
    const start = at;
    let level = 0;
    while (at < text.length && (level > 0 || !/\s/.test(text[at] ?? ''))) {
      if (text[at] === '{') level += 1;
      else if (text[at] === '}') level -= 1;
      at += 1;
    }
    if (level > 0) return 'a "{" is not closed';
    words.push(text.slice(start, at));
  }
  return words;
}
