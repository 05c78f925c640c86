// From the name a client gave to the name of an account: which characters it may have, and
// `auth_username_format`.
//
// DOVECOT: `auth_username_chars` and `auth_username_format` with their defaults. Of the format language the
// parts that make sense for system users are read: %u, %n, %d with the L and U modifiers, and 2.4's
// %{user | lower}, %{user | username}, %{user | domain}.

export interface UserNameRules {
  /** `auth_username_format`; Dovecot's default is `%Lu`. */
  readonly format: UserNameFormat;
  /** `auth_username_chars`; empty for all. */
  readonly chars: string;
}

export type UserNameFormat = readonly FormatPart[];

type FormatPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'name'; readonly field: NameField; readonly fold: Fold };
type NameField = 'user' | 'username' | 'domain';
type Fold = 'none' | 'lower' | 'upper';

export const DEFAULT_USER_NAME_CHARS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234567890.-_@';

/** What cannot be read is `undefined`: the caller refuses to start (it decides who may log in). */
export function parseUserNameFormat(text: string): UserNameFormat | undefined {
  // DOVECOT: an empty setting leaves the name as it is.
  if (text === '') return [{ kind: 'name', field: 'user', fold: 'none' }];
  const parts: FormatPart[] = [];
  const token = /%(?:\{([^{}]*)\}|([LU]?)([und%]))|([^%]+)/y;
  while (token.lastIndex < text.length) {
    const match = token.exec(text);
    if (match === null) return undefined;
    const [, braced, modifier, letter, plain] = match;
    if (plain !== undefined) parts.push({ kind: 'text', text: plain });
    else if (braced !== undefined) {
      const part = parseBraced(braced);
      if (part === undefined) return undefined;
      parts.push(part);
    } else if (letter === '%') parts.push({ kind: 'text', text: '%' });
    else parts.push({ kind: 'name', field: LETTERS[letter as 'u' | 'n' | 'd'], fold: foldOf(modifier) });
  }
  return parts;
}

const LETTERS = { u: 'user', n: 'username', d: 'domain' } as const;
const foldOf = (modifier: string | undefined): Fold =>
  modifier === 'L' ? 'lower' : modifier === 'U' ? 'upper' : 'none';

function parseBraced(text: string): FormatPart | undefined {
  const [variable, ...filters] = text.split('|').map((word) => word.trim());
  let field: NameField;
  if (variable === 'user' || variable === 'username' || variable === 'domain') field = variable;
  else return undefined;
  let fold: Fold = 'none';
  for (const filter of filters) {
    if (filter === 'lower' || filter === 'upper') fold = filter;
    else if (field === 'user' && (filter === 'username' || filter === 'domain')) field = filter;
    else return undefined;
  }
  return { kind: 'name', field, fold };
}

export const DEFAULT_USER_NAME_RULES: UserNameRules = {
  format: [{ kind: 'name', field: 'user', fold: 'lower' }],
  chars: DEFAULT_USER_NAME_CHARS,
};

export type UserNameResult =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'refused'; readonly reason: string };

/** The account name for what the client sent. */
export function applyUserNameRules(
  given: string,
  rules: UserNameRules = DEFAULT_USER_NAME_RULES,
): UserNameResult {
  if (given === '') return { kind: 'refused', reason: 'empty user name' };
  if (rules.chars !== '') {
    for (const char of given) {
      if (rules.chars.includes(char)) continue;
      const code = char.codePointAt(0)?.toString(16).padStart(2, '0');
      return { kind: 'refused', reason: `user name contains disallowed character: 0x${code}` };
    }
  }
  const at = given.indexOf('@');
  const fields = {
    user: given,
    username: at === -1 ? given : given.slice(0, at),
    domain: at === -1 ? '' : given.slice(at + 1),
  };
  let name = '';
  for (const part of rules.format) {
    if (part.kind === 'text') name += part.text;
    else name += FOLDS[part.fold](fields[part.field]);
  }
  return name === '' ? { kind: 'refused', reason: 'empty user name' } : { kind: 'name', name };
}

const FOLDS: Readonly<Record<Fold, (text: string) => string>> = {
  none: (text) => text,
  // ASCII only: `İ`.toLowerCase() is two characters, and no account is found by such a fold anyway.
  lower: (text) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
  upper: (text) => text.replace(/[a-z]/g, (letter) => letter.toUpperCase()),
};

/** Characters of a user name in a log line. */
const MAX_LOGGED = 64;

/**
 * A user name for a log line. Filters such as fail2ban's take the address after it: a name may not look like
 * the end of that field, so what is not in the usual alphabet becomes `?`.
 */
export const formatUserForLog = (name: string): string =>
  name.slice(0, MAX_LOGGED).replace(/[^A-Za-z0-9._@+-]/g, '?');
