// What filters may say, one row each: two filters follow their scripts while a client holds its dialog. Played against a
// private real Postfix and against ours by `test/integration/milters.test.ts`.

import { MILTER_DIFFERENCES, type MilterDifference } from './milter-differences.ts';
import { type Answer, type MilterScript, frame, long } from './scripted-milter.ts';

export interface MilterRow {
  readonly name: string;
  /** The filters that `smtpd_milters` names, in this order. */
  readonly first?: MilterScript;
  readonly second?: MilterScript;
  /** The client's address decides what `smtpd_milter_maps` says; see `MAPS`. */
  readonly from?: string;
  /** In place of the usual dialog. A line that ends in `.` alone ends a message. */
  readonly dialog?: readonly string[];
  readonly message?: string;
  /** Where ours differs on purpose. */
  readonly differs?: MilterDifference;
}

/** `milter_header_checks`, a pcre table. */
export const HEADER_CHECKS = `/^X-Check: refuse/ REJECT 5.7.9 not this
/^X-Check: discard/ DISCARD gone
/^X-Check: hold/ HOLD look
/^X-Check: ignore/ IGNORE
/^X-Check: replace/ REPLACE X-Replaced: yes
/^X-Check: warn/ WARN seen
/^X-Check: redirect/ REDIRECT @carol@@example.com
/^X-Check: copy/ BCC @carol@@example.com
`;

/** Clients and what `smtpd_milter_maps` has for them; `@1@` and `@2@` are the filters' ports. */
export const MAPS: readonly (readonly [address: string, value: string])[] = [
  ['127.0.0.2', 'DISABLE'],
  ['127.0.0.3', '{ inet:127.0.0.1:@1@, default_action=accept, command_timeout=1s, content_timeout=1s }'],
  ['127.0.0.4', '{ inet:127.0.0.1:@1@, default_action=reject, command_timeout=1s, content_timeout=1s }'],
  ['127.0.0.5', '{ inet:127.0.0.1:@1@, default_action=tempfail, command_timeout=1s, content_timeout=1s }'],
  ['127.0.0.6', '{ inet:127.0.0.1:@1@, default_action=quarantine, command_timeout=1s, content_timeout=1s }'],
  ['127.0.0.7', '{ inet:127.0.0.1:@1@, default_action=shutdown, command_timeout=1s, content_timeout=1s }'],
  ['127.0.0.8', '{ inet:127.0.0.1:1, default_action=accept }, inet:127.0.0.1:@2@'],
  ['127.0.0.9', '{ inet:127.0.0.1:1, default_action=tempfail }'],
  ['127.0.0.10', '{ inet:127.0.0.1:@1@, protocol=2 }'],
  ['127.0.0.11', '{ inet:127.0.0.1:@1@, protocol=3 }'],
  ['127.0.0.12', '{ inet:127.0.0.1:@1@, protocol=4 }'],
  ['127.0.0.13', 'inet:127.0.0.1:@2@, inet:127.0.0.1:@1@'],
  ['127.0.0.14', '{ inet:127.0.0.1:1, default_action=reject }'],
  ['127.0.0.15', '{ inet:127.0.0.1:1, default_action=quarantine }'],
  ['127.0.0.16', '{ inet:127.0.0.1:1, default_action=shutdown }'],
];

const reply = (text: string): readonly Buffer[] => [frame('y', `${text}\0`)];
const REJECT = [frame('r')];
const TEMPFAIL = [frame('t')];
const DISCARD = [frame('d')];
const ACCEPT = [frame('a')];
const SKIP = [frame('s')];
const CONTINUE = frame('c');
const atEnd = (...frames: readonly Buffer[]): MilterScript => ({ on: { eom: [[...frames, CONTINUE]] } });
const text = (...parts: readonly string[]): Buffer => Buffer.from(`${parts.join('\0')}\0`);

const insert = (index: number, name: string, value: string): Buffer =>
  frame('i', long(index), text(name, value));
const change = (index: number, name: string, value: string): Buffer =>
  frame('m', long(index), text(name, value));
const add = (name: string, value: string): Buffer => frame('h', text(name, value));

const EVENTS = [
  'connect',
  'helo',
  'mail',
  'rcpt',
  'data',
  'eoh',
  'body',
  'header',
  'eom',
  'unknown',
] as const;

/** A hello, a word nobody knows, and two messages in one session. */
export const USUAL = [
  'EHLO client.example',
  'XYZZY now',
  'MAIL FROM:<x@sender.example> SIZE=100',
  'RCPT TO:<@alice@@example.com> NOTIFY=NEVER',
  'RCPT TO:<@bob@@example.com>',
  'RCPT TO:<nobody-here@example.com>',
  'DATA',
  '@MESSAGE@',
  'MAIL FROM:<>',
  'RCPT TO:<@alice@@example.com>',
  'DATA',
  'Subject: second\nFrom: <x@sender.example>\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nMessage-Id: <second@sender.example>\n\nshort\n',
  'QUIT',
];

export const MESSAGE = `From: <x@sender.example>
To: <alice@example.com>
Received: from nowhere.example by somewhere.example; Mon, 1 Jan 2024 00:00:00 +0000
Subject:no space
X-Folded: one
	two
  three
X-Same: first
x-same:  second
Date: Mon, 1 Jan 2024 00:00:00 +0000
Message-Id: <given@sender.example>

First line.

.dot
Last line.
`;

const decisions: readonly (readonly [string, Answer])[] = [
  ['reject', REJECT],
  ['tempfail', TEMPFAIL],
  ['accept', ACCEPT],
  ['discard', DISCARD],
  ['a permanent reply', reply('554 5.7.9 not %%here%')],
  ['a temporary reply', reply('450 4.2.9 later')],
  ['a reply without an enhanced code', reply('550 just no')],
  ['a reply of two lines', reply('550-5.7.1 one\r\n550 5.7.1 two')],
  ['421', reply('421 4.3.0 go away')],
  ['shutdown', [frame('4')]],
  ['progress first', [frame('p'), frame('p'), CONTINUE]],
];

const ofDecisions: MilterRow[] = EVENTS.flatMap((event) =>
  // Libmilter knows but refusals of a command that nobody knows.
  (event === 'unknown' ? decisions.filter(([word]) => !/accept|discard/.test(word)) : decisions).map(
    ([word, answer]) => ({ name: `${event}: ${word}`, first: { on: { [event]: [answer] } } }),
  ),
);

const failures: readonly (readonly [string, Answer])[] = [
  ['hangs', 'hang'],
  ['dies', 'die'],
  ['speaks nonsense', [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')]],
  ['sends a giant frame', [Buffer.from([0x7f, 0xff, 0xff, 0xff, 0x63])]],
  ['sends an empty frame', [Buffer.from([0, 0, 0, 0])]],
  ['gives a reply nobody knows', [frame('Z', 'what')]],
  ['says more than continue', [frame('c', 'more')]],
  ['says its connection failed', [frame('f')]],
];
const ACTIONS = ['127.0.0.3', '127.0.0.4', '127.0.0.5', '127.0.0.6', '127.0.0.7'] as const;

const ofFailures: MilterRow[] = failures.flatMap(([word, answer], index) => [
  // Every failure at one place with one action, and every action with one failure.
  ...(['rcpt', 'eom'] as const).map((event) => ({
    name: `${event}: ${word}, tempfail`,
    from: '127.0.0.5',
    first: { on: { [event]: [answer] } },
  })),
  ...(index === 1
    ? (['connect', 'mail', 'eom'] as const).flatMap((event) =>
        ACTIONS.map((from) => ({
          name: `${event}: ${word}, ${from}`,
          from,
          first: { on: { [event]: [answer] } },
        })),
      )
    : []),
]);

const TABLE: readonly MilterRow[] = [
  { name: 'two filters that agree', first: {}, second: {} },
  { name: 'a client of which filters do not hear', from: '127.0.0.2' },
  {
    name: 'the other order',
    from: '127.0.0.13',
    first: atEnd(add('X-Order', 'first')),
    second: atEnd(add('X-Order', 'second')),
  },
  ...ofDecisions,
  ...ofFailures,
  { name: 'a filter that is not there, accept', from: '127.0.0.8' },
  { name: 'a filter that is not there, tempfail', from: '127.0.0.9' },
  { name: 'a filter that is not there, reject', from: '127.0.0.14' },
  { name: 'a filter that is not there, quarantine', from: '127.0.0.15' },
  { name: 'a filter that is not there, shutdown', from: '127.0.0.16' },
  { name: 'version 2', from: '127.0.0.10' },
  { name: 'version 3', from: '127.0.0.11' },
  { name: 'version 4', from: '127.0.0.12' },
  { name: 'a filter of version 2', first: { version: 2 } },
  { name: 'a filter of version 4', first: { version: 4 } },
  { name: 'a filter of a later version', first: { negotiation: [frame('O', long(7), long(0), long(0))] } },
  { name: 'a filter that wants more than there is', first: { actions: 0xfff } },
  { name: 'a handshake that is none', first: { negotiation: [CONTINUE] } },
  { name: 'a handshake that is short', first: { negotiation: [frame('O', long(6), long(0))] } },
  { name: 'no connect, helo, mail, rcpt', first: { steps: 0b1111 } },
  { name: 'no body, headers, end of header', first: { steps: 0b1110000 } },
  { name: 'no unknown, data', first: { steps: 0b11 << 8 } },
  { name: 'no answers at all', first: { steps: (1 << 7) | (0xff << 12) } },
  { name: 'rejected recipients too', first: { steps: 1 << 11 } },
  {
    name: 'leading space',
    first: { steps: 1 << 20, on: { eom: [[add('X-Space', ' one'), add('X-None', 'none'), CONTINUE]] } },
  },
  { name: 'skip headers', first: { on: { header: [SKIP] } } },
  {
    name: 'skip body',
    first: { on: { body: [SKIP] } },
    message: `${MESSAGE}${'x'.repeat(70)}\n`.repeat(1) + `${'y'.repeat(70)}\n`.repeat(3000),
  },
  { name: 'a body of several chunks', message: `${MESSAGE}${`${'z'.repeat(70)}\n`.repeat(3000)}`, first: {} },
  {
    name: 'macros of its own choice',
    first: {
      symbols: [
        [0, 'j {client_addr} {client_name} {client_ptr} {client_resolve} {daemon_name} v _'],
        [1, '{tls_version} {client_port_unknown} j'],
        [2, 'i {mail_addr} {mail_host} {mail_mailer} {auth_authen}'],
        [3, 'i {rcpt_addr} {rcpt_host} {rcpt_mailer} {mail_addr}'],
        [4, 'i j'],
        [5, 'i j {mail_addr} {client_addr} {client_name} v {daemon_name}'],
        [6, 'i j _'],
        [9, 'i'],
      ],
    },
  },
  // Before any check that discards: afterwards cleanup(8) of Postfix 3.7 takes a filter's own discard for that of the
  // check, now and then, and delivers.
  { name: 'changes, then a refusal', first: { on: { eom: [[add('X-A', 'b'), frame('r')]] } } },
  { name: 'changes, then a discard', first: { on: { eom: [[add('X-A', 'b'), frame('d')]] } } },
  { name: 'checks: refuse', first: atEnd(add('X-Check', 'refuse this')) },
  { name: 'checks: discard', first: atEnd(add('X-Check', 'discard this')) },
  { name: 'checks: hold', first: atEnd(add('X-Check', 'hold this')) },
  { name: 'checks: ignore', first: atEnd(add('X-Check', 'ignore this'), add('X-Other', 'stays')) },
  { name: 'checks: replace', first: atEnd(insert(0, 'X-Check', 'replace this')) },
  { name: 'checks: warn', first: atEnd(change(1, 'X-Check', 'warn of this')) },
  { name: 'checks: redirect', first: atEnd(add('X-Check', 'redirect this')) },
  { name: 'checks: copy', first: atEnd(add('X-Check', 'copy this')) },
  { name: 'add a header', first: atEnd(add('X-Added', 'yes'), add('X-Folded-Too', 'a\n\tb\nc\n d')) },
  {
    name: 'insert headers',
    first: atEnd(
      insert(0, 'X-Top', 'top'),
      insert(2, 'X-Two', 'two'),
      insert(1, 'X-One', 'one'),
      insert(99, 'X-End', 'end'),
    ),
  },
  {
    name: 'change headers',
    first: atEnd(
      change(1, 'Subject', 'changed'),
      change(2, 'X-SAME', 'changed second'),
      change(0, 'X-Folded', 'zero is one'),
      change(3, 'X-Same', 'a third'),
    ),
  },
  {
    name: 'remove headers',
    first: atEnd(
      change(1, 'Subject', ''),
      change(1, 'x-same', ''),
      change(1, 'Received', ''),
      change(5, 'To', ''),
      change(1, 'Missing', ''),
    ),
  },
  { name: 'change Received', first: atEnd(change(1, 'Received', 'from elsewhere')) },
  {
    name: 'change and remove what was added',
    first: atEnd(add('X-A', '1'), add('X-A', '2'), change(1, 'X-A', ''), change(1, 'X-A', 'three')),
  },
  {
    name: 'the second sees what the first did',
    first: atEnd(add('X-First', 'here'), change(1, 'Subject', 'from the first'), frame('b', 'new body\r\n')),
    second: atEnd(change(1, 'X-First', 'seen')),
  },
  {
    name: 'replace the body',
    first: atEnd(frame('b', 'one\r\ntwo'), frame('b', ' more\nthree\r\n\r\nfour')),
  },
  { name: 'replace the body by nothing', first: atEnd(frame('b', '')) },
  {
    name: 'a body in two goes',
    first: atEnd(frame('b', 'one\r\n'), add('X-Between', 'yes'), frame('b', 'two\r\n')),
  },
  {
    name: 'a filter that dies within a body',
    from: '127.0.0.3',
    first: { on: { eom: [[frame('b', 'half'), Buffer.from('zz')]] } },
  },
  { name: 'change the sender', first: atEnd(frame('e', text('<new@sender.example>'))) },
  {
    name: 'change the sender with parameters',
    first: atEnd(frame('e', text('new@sender.example', 'RET=HDRS ENVID=x+41y BODY=8BITMIME'))),
  },
  { name: 'the null sender', first: atEnd(frame('e', text('<>'))) },
  { name: 'remove a recipient', first: atEnd(frame('-', text('<@alice@@example.com>'))) },
  {
    name: 'remove both and add one',
    first: atEnd(
      frame('-', text('<@alice@@example.com>')),
      frame('-', text('@bob@@example.com')),
      frame('+', text('<@bob@@example.com>')),
    ),
  },
  {
    name: 'remove all recipients',
    first: atEnd(frame('-', text('<@alice@@example.com>')), frame('-', text('@bob@@example.com'))),
  },
  {
    name: 'add a recipient with parameters',
    first: atEnd(frame('2', text('<@carol@@example.com>', 'NOTIFY=NEVER ORCPT=rfc822;o@example.org X=y'))),
  },
  { name: 'add nobody', first: atEnd(frame('+', text('<>'))) },
  { name: 'add who is there', first: atEnd(frame('+', text('<@bob@@example.com>'))) },
  { name: 'quarantine', first: { on: { eom: [[frame('q', text('looks odd')), CONTINUE]] } } },
  {
    name: 'quarantine, and the second is not asked',
    first: { on: { eom: [[frame('q', text('odd')), frame('a')]] } },
    second: atEnd(add('X-Second', 'yes')),
  },
  { name: 'an index beyond all fields', first: atEnd(change(0xffffffff, 'Subject', 'x')) },
  { name: 'a header without a name', first: atEnd(change(1, '', 'x')) },
  { name: 'a change that is cut off', first: atEnd(frame('h', 'no end')) },
  { name: 'a malformed reply', first: { on: { rcpt: [reply('250 2.0.0 fine')] } } },
  { name: 'a reply whose codes disagree', first: { on: { rcpt: [reply('550 4.7.1 what')] } } },
  {
    name: 'the second recipient refused',
    first: { on: { rcpt: [[CONTINUE], reply('550 5.1.1 not this one'), [CONTINUE]] } },
  },
  { name: 'the second filter refuses', first: {}, second: { on: { rcpt: [REJECT] } } },
  {
    name: 'aborted transactions',
    dialog: [
      'HELO a.example',
      'MAIL FROM:<a@sender.example>',
      'RSET',
      'MAIL FROM:<b@sender.example>',
      'RCPT TO:<@alice@@example.com>',
      'EHLO b.example',
      'MAIL FROM:<c@sender.example> BODY=8BITMIME',
      'DATA',
      'NOOP',
      'QUIT',
    ],
  },
  {
    name: 'BDAT',
    dialog: [
      'EHLO a.example',
      'MAIL FROM:<a@sender.example>',
      'RCPT TO:<@alice@@example.com>',
      'BDAT 24 LAST\nSubject: chunk\r\n\r\nchunk\r\n',
      'QUIT',
    ],
    first: atEnd(add('X-Chunk', 'yes')),
  },
  {
    name: 'BDAT refused at DATA',
    dialog: [
      'EHLO a.example',
      'MAIL FROM:<a@sender.example>',
      'RCPT TO:<@alice@@example.com>',
      'BDAT 24 LAST\nSubject: chunk\r\n\r\nchunk\r\n',
      'RSET',
      'QUIT',
    ],
    first: { on: { data: [REJECT] } },
  },
  {
    name: 'a client that was refused',
    first: { on: { connect: [reply('451 4.7.1 not now')] } },
    dialog: ['EHLO a.example', 'VRFY root', 'AUTH PLAIN', 'STARTTLS', 'MAIL FROM:<a@sender.example>', 'QUIT'],
  },
];

export const ROWS: readonly MilterRow[] = TABLE.map((row) => {
  const differs = MILTER_DIFFERENCES.get(row.name);
  return differs === undefined ? row : { ...row, differs };
});
