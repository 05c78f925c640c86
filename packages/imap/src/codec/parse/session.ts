// Commands of the connection itself: ID, ENABLE, LOGIN, AUTHENTICATE.

import { type Arg, ArgCursor, argText } from '../arg.ts';
import { badArguments, type CommandOf, type Parsed, parsed } from '../command.ts';

/** RFC 2971 §3.3: at most 30 pairs, names to 30 octets, values to 1024. What is beyond is dropped, not refused. */
const MAX_ID_FIELDS = 30;
const MAX_ID_NAME = 30;
const MAX_ID_VALUE = 1024;

export function parseId(args: readonly Arg[]): Parsed<CommandOf<'id'>> {
  const fields = new Map<string, string>();
  const list = args[0]?.kind === 'list' ? args[0].items : [];
  for (let at = 0; at + 1 < list.length && fields.size < MAX_ID_FIELDS; at += 2) {
    const name = argText(list[at]);
    const value = list[at + 1];
    const text = argText(value);
    if (name === undefined || text === undefined || (value?.kind === 'atom' && /^nil$/i.test(text))) continue;
    if (name.length <= MAX_ID_NAME) fields.set(name.toLowerCase(), text.slice(0, MAX_ID_VALUE));
  }
  return parsed({ kind: 'id', fields });
}

export function parseEnable(args: readonly Arg[]): Parsed<CommandOf<'enable'>> {
  const names: string[] = [];
  for (const arg of args) {
    if (arg.kind !== 'atom') return badArguments();
    names.push(arg.text.toUpperCase());
  }
  return parsed({ kind: 'enable', names });
}

export function parseLogin(args: readonly Arg[]): Parsed<CommandOf<'login'>> {
  const cursor = new ArgCursor(args);
  const user = cursor.astring();
  const password = cursor.astring();
  if (user === undefined || password === undefined || !cursor.atEnd) return badArguments();
  return parsed({ kind: 'login', user: user.toString('utf8'), password: password.toString('utf8') });
}

/** RFC 3501 §6.2.2 with RFC 4959's initial response. */
export function parseAuthenticate(args: readonly Arg[]): Parsed<CommandOf<'authenticate'>> {
  const cursor = new ArgCursor(args);
  const mechanism = cursor.word();
  if (mechanism === undefined) return badArguments();
  if (cursor.atEnd) return parsed({ kind: 'authenticate', mechanism });
  const initial = argText(cursor.take());
  if (initial === undefined || !cursor.atEnd) return badArguments();
  return parsed({ kind: 'authenticate', mechanism, initial });
}

/** RFC 4978 §3. */
export function parseCompress(args: readonly Arg[]): Parsed<CommandOf<'compress'>> {
  const cursor = new ArgCursor(args);
  const mechanism = cursor.word();
  return mechanism === undefined || !cursor.atEnd ? badArguments() : parsed({ kind: 'compress', mechanism });
}
