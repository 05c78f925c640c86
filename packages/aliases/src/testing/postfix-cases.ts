// Tables, and what recipients come to by them. Postfix 3.7 was asked for each (`test/integration/addresses.test.ts`
// asks it again); where we differ on purpose, or where its answer shows no destination, a case stands apart.

import type { Destination } from '../destinations.ts';

export const USERS = [
  'bob',
  'carol',
  'dan',
  'dan2',
  'dave',
  'self',
  'username',
  'root',
  'x',
  'beta',
  'alpha',
  'a',
  'b',
  'c',
  'oo',
  'cj',
  'ck',
  'ck2',
  'zed',
];

export const VIRTUAL = {
  'plain@example.com': 'bob',
  'ext@example.com': 'bob, carol@remote.net',
  'full+x@example.com': 'dan',
  '@catch.net': 'bob',
  'catch.net': 'x',
  '@dom.net': '@example.org',
  '@two.net': '@example.org, dave',
  bare: 'bob',
  'odd@example.com': 'username <foo@example.net> username',
  'odd2@example.com': '<foo@example.net> username',
  'odd3@example.com': '"Joe Doe" <foo@example.net>, bar (comment), grp: a, b;',
  'odd4@example.com': 'bob carol',
  'odd5@example.com': '"a b"@remote.net',
  'self@example.com': 'self@example.com, bob',
  'loop1@example.com': 'loop2@example.com',
  'loop2@example.com': 'loop1@example.com',
  '<angle@example.com>': 'bob',
  'UPPER@example.com': 'Bob',
  'example.com': 'x',
  'dup@example.com': 'bob, BOB, bob@example.org, carol@remote.net, Carol@REMOTE.net',
  'chain@example.com': 'plain@example.com',
  'toalias@example.com': 'alist',
  'pct@example.com': 'u%remote.net, s!u, h@short',
  'p1@example.com': 'alpha <foo@example.net> beta',
  'p2@example.com': 'alpha beta <foo@example.net>',
  'p3@example.com': 'alpha@a.net beta@b.net',
  'p4@example.com': '<a@x.net>,<b@x.net>; c',
  'p6@example.com': ',, a@x.net ,,',
  'p8@example.com': 'a @ x.net, b . c@x.net',
  'p9@example.com': 'dan@[127.0.0.1], u@[9.9.9.9]',
  'p10@example.com': '"a+b"@x.net, plain+y@example.com',
  'p11@example.com': 'x@y@z.net',
  'p15@example.com': 'Full Name <foo@example.net> (c), "Q P" <g@x.net> h@x.net',
};
export const ALIASES = {
  alist: 'bob, carol, dave@remote.net',
  al2: 'bob, al3',
  al3: 'bob, carol',
  self: 'self, bob',
  bob: '\\bob, carol',
  l1: 'l2',
  l2: 'l1',
  'quoted name': 'dan',
  cmd: '"|/bin/true arg"',
  file: '/var/tmp/box',
  inc: ':include:/etc/list',
  ext: 'dan',
  olist: 'bob, carol',
  'owner-olist': 'dan',
  cc: 'remote@far.net, dan',
  ca: 'carol dan, dan2',
  ce: 'plain@example.com',
  cj: 'cj@example.org',
  ck: 'ck@host.example.org, ck2',
  cl: 'dan (comment) , Joe <dan2>, "q p"@far.net',
  'list-a+b': 'dan',
  stop: '\\bob',
  ghost: 'nobody-here, dan',
  nothing: '()',
  root: 'dan',
};

/** Local accounts as `user` or `user+extension`, addresses elsewhere whole, failures as `!status address`. */
export type ExpansionCase = readonly [recipient: string, destinations: readonly string[]];

export const SAME_AS_POSTFIX: readonly ExpansionCase[] = [
  ['dan@example.org', ['dan']],
  ['dan', ['dan']],
  ['DAN+Lists@Example.ORG', ['dan+lists']],
  ['dan@localhost', ['dan']],
  ['dan@[127.0.0.1]', ['dan']],
  ['dan@example.org.', ['dan']],
  ['plain@example.com', ['bob', 'carol']],
  ['ext+foo@example.com', ['bob', 'carol', 'carol+foo@remote.net']],
  ['full+x@example.com', ['dan']],
  ['full+y@example.com', ['!5.1.1 full+y@example.com']],
  ['zed+e@catch.net', ['bob', 'carol']],
  ['zed+e@dom.net', ['zed+e']],
  ['zed+e@two.net', ['zed+e', 'dave']],
  ['bare+q@example.org', ['bob', 'carol']],
  ['bare+q@host.example.org', ['bob', 'carol']],
  ['bare@elsewhere.net', ['bare@elsewhere.net']],
  ['odd@example.com', ['foo@example.net', 'username']],
  ['odd2@example.com', ['foo@example.net', 'username']],
  ['odd4@example.com', ['bob', 'carol', 'carol']],
  ['odd5@example.com', ['"a b"@remote.net']],
  ['self@example.com', ['!5.1.1 self@example.com', 'bob', 'carol']],
  ['angle@example.com', ['!5.1.1 angle@example.com']],
  ['upper@example.com', ['bob', 'carol']],
  ['dup@example.com', ['bob', 'carol', 'carol@remote.net']],
  ['chain@example.com', ['bob', 'carol']],
  ['nosuch@example.com', ['!5.1.1 nosuch@example.com']],
  ['toalias@example.com', ['bob', 'carol', 'dave@remote.net']],
  ['toalias+e@example.com', ['bob', 'carol', 'dave@remote.net']],
  ['pct@example.com', ['u@remote.net', 'u@s', 'h@short']],
  ['p1@example.com', ['foo@example.net', 'beta']],
  ['p2@example.com', ['foo@example.net']],
  ['p3@example.com', ['alpha@a.net', 'beta@b.net']],
  ['p4@example.com', ['a@x.net', 'b@x.net', 'c']],
  ['p6@example.com', ['a@x.net']],
  ['p8@example.com', ['a@x.net', 'b.c@x.net']],
  ['p9@example.com', ['dan', 'u@[9.9.9.9]']],
  ['p10+z@example.com', ['a+b+z@x.net', 'bob', 'carol']],
  ['p11@example.com', ['"x@y"@z.net']],
  ['p15+e@example.com', ['foo+e@example.net', 'g+e@x.net', 'h+e@x.net']],
  ['alist+e', ['bob', 'carol', 'dave@remote.net']],
  ['al2', ['bob', 'carol']],
  ['self', ['self', 'bob', 'carol']],
  ['bob', ['bob', 'carol']],
  ['Bob+Ext', ['bob', 'carol']],
  ['"quoted name"@example.org', ['dan']],
  ['ext+foo', ['dan']],
  ['carol@sub.example.org', ['carol@sub.example.org']],
  ['u%remote.net@example.org', ['u@remote.net']],
  ['remote.net!u@example.org', ['u@remote.net']],
  ['"u@remote.net"@example.org', ['u@remote.net']],
  ['dan%example.org@host.example.org', ['dan']],
  ['cc', ['dan', 'remote@far.net']],
  ['ca', ['carol', 'dan', 'dan2']],
  ['ce', ['bob', 'carol']],
  ['cj', ['cj']],
  ['ck', ['ck', 'ck2']],
  ['cl', ['dan', 'dan2', '"q p"@far.net']],
  ['list-a+b', ['dan']],
  ['root', ['dan']],
];

export const OUR_OWN: readonly ExpansionCase[] = [
  ['dan@[IPv6:::1]', ['dan']],
  ['odd3@example.com', ['foo@example.net', '!5.1.1 bar@example.org', 'a', 'b']],
  ['cmd', ['command /bin/true arg']],
  ['file', ['file /var/tmp/box']],
  ['inc', ['include /etc/list']],
  ['stop', ['bob']],
  ['ghost', ['!5.1.1 nobody-here@example.org', 'dan']],
  ['nothing', ['!4.3.5 nothing@example.org']],
  ['nobody-here@example.org', ['!5.1.1 nobody-here@example.org']],
  ['l1', ['!5.4.6 l1@example.org']],
];

export function showDestination(destination: Destination): string {
  switch (destination.kind) {
    case 'local':
      return `${destination.user}${destination.extension === undefined ? '' : `+${destination.extension}`}`;
    case 'remote':
      return destination.address;
    case 'undeliverable':
      return `!${destination.status} ${destination.address}`;
    case 'transport':
      return `${destination.transport} ${destination.address}`;
    default:
      return `${destination.kind} ${destination.target}`;
  }
}
