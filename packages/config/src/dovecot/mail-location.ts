// `mail_location`: `maildir:~/mail:LAYOUT=fs:INBOX=~/mail/`, and 2.4's `mail_driver`, `mail_path` and kin.
// Paths are templates: `~/`, %u (whole user name), %n (its local part), %d (its domain), %h (home).

export interface MailLocation {
  /** `maildir`, or another driver (which is refused elsewhere). */
  readonly driver: string;
  /** Template of the root folder. */
  readonly path: string;
  readonly layout: 'fs' | 'maildir++' | 'index';
  /** Templates. */
  readonly inboxPath: string | undefined;
  readonly indexPath: string | undefined;
  readonly controlPath: string | undefined;
  /** `DIRNAME`, `SUBSCRIPTIONS`, `NO-NOSELECT`, … */
  readonly others: ReadonlyMap<string, string>;
}

export function parseMailLocation(text: string): MailLocation {
  const [driverWord = '', path = '', ...optionWords] = text.trim().split(':');
  const options = new Map(
    optionWords
      .filter((word) => word !== '')
      .map((word) => {
        const equals = word.indexOf('=');
        return equals === -1
          ? [word.toUpperCase(), '']
          : [word.slice(0, equals).toUpperCase(), word.slice(equals + 1)];
      }),
  );
  const take = (name: string): string | undefined => {
    const value = options.get(name);
    options.delete(name);
    return value;
  };
  return {
    driver: driverWord.toLowerCase(),
    path,
    layout: layoutOf(take('LAYOUT')),
    inboxPath: take('INBOX'),
    indexPath: take('INDEX'),
    controlPath: take('CONTROL'),
    others: options,
  };
}

export function layoutOf(word: string | undefined): MailLocation['layout'] {
  const lower = word?.toLowerCase();
  return lower === 'fs' || lower === 'index' ? lower : 'maildir++';
}

export interface UserVariables {
  readonly user: string;
  readonly home: string;
}

/**
 * Fills a template in. Undefined when it holds a variable that is not known (never a guess: a wrong path is somebody
 * else's mail). 2.3's `%u`, `%Lu`, `%{user}`; 2.4's `%{user | username | lower}`.
 */
export function expandUserPath(template: string, variables: UserVariables): string | undefined {
  let isUnknown = false;
  const withHome = template.replace(/^~(?=\/|$)/, () => variables.home);
  const expanded = withHome.replace(
    /%(%|[LU]?[undhNH]|\{([^}]*)\})/g,
    (_whole, short: string, long: string | undefined) => {
      const value = long === undefined ? shortVariable(short, variables) : longVariable(long, variables);
      isUnknown ||= value === undefined;
      return value ?? '';
    },
  );
  const hasStray = /%(?!%)/.test(withHome.replace(/%(%|[LU]?[undh]|\{[^}]*\})/g, ''));
  return isUnknown || hasStray ? undefined : expanded;
}

function shortVariable(text: string, variables: UserVariables): string | undefined {
  if (text === '%') return '%';
  const value = plainVariable(text.slice(-1), variables);
  if (value === undefined || text.length === 1) return value;
  return text.startsWith('L') ? value.toLowerCase() : value.toUpperCase();
}

function longVariable(text: string, variables: UserVariables): string | undefined {
  const [name = '', ...filters] = text.split('|').map((part) => part.trim());
  let value = plainVariable(name, variables);
  for (const filter of filters) {
    if (value === undefined) return undefined;
    if (filter === 'lower') value = value.toLowerCase();
    else if (filter === 'upper') value = value.toUpperCase();
    else if (filter === 'username') value = localPart(value);
    else if (filter === 'domain') value = domainPart(value);
    else return undefined;
  }
  return value;
}

function plainVariable(name: string, { user, home }: UserVariables): string | undefined {
  switch (name) {
    case 'u':
    case 'user':
      return user;
    case 'n':
    case 'username':
      return localPart(user);
    case 'd':
    case 'domain':
      return domainPart(user);
    case 'h':
    case 'home':
      return home;
    default:
      return undefined;
  }
}

function localPart(user: string): string {
  return user.split('@', 1)[0] ?? '';
}

function domainPart(user: string): string {
  const at = user.indexOf('@');
  return at === -1 ? '' : user.slice(at + 1);
}
