// Configurations and messages: what becomes of header and envelope on the way in. Played against a private real Postfix
// and ours; both must come to the same. `@TABLES@` is the folder of the tables below.

export interface RewritingMessage {
  readonly name: string;
  /** Lines of the message, joined by CRLF. */
  readonly message: string;
  /** Default `<bob@sender.example>`. */
  readonly sender?: string;
  readonly recipients?: readonly string[];
}

export interface RewritingScenario {
  readonly name: string;
  /** Overrides of the smtpd row. */
  readonly smtpd?: Readonly<Record<string, string>>;
  /** Overrides of the cleanup row. */
  readonly cleanup?: Readonly<Record<string, string>>;
  readonly messages: readonly RewritingMessage[];
}

export const TABLES: Readonly<Record<string, string>> = {
  canonical: `
old@site.example        new@site.example
wheel@site.example      wheel2@site.example
wheel2@site.example     wheel3@site.example
plus@site.example       minus@site.example
@moved.example          @new.example
@all.example            everybody@new.example
self@site.example       self@site.example
two@site.example        one@site.example, other@site.example
short                   long.name
bare@site.example       bareword
quote@site.example      "a b"@site.example
loop1@site.example      loop2@site.example
loop2@site.example      loop1@site.example
`,
  senders: `
old@site.example        from@site.example
bob@sender.example      robert@sender.example
`,
  recipients: `
old@site.example        to@site.example
alice@dest.example      alicia@dest.example
`,
  bcc: `
bob@sender.example      archive@copy.example
alice@dest.example      copy@copy.example
@domain.example         all@copy.example
`,
  checks: `
/^Subject:.*reject-me/          REJECT
/^Subject:.*reject-text/        REJECT no such words here
/^Subject:.*reject-status/      REJECT 5.6.1 bad words
/^Subject:.*reject-later/       REJECT 4.7.1 not now
/^Subject:.*reject-two/         REJECT 2.1.0 odd
/^Subject:.*discard-me/         DISCARD thrown away
/^Subject:.*hold-me/            HOLD kept
/^Subject:.*warn-me/            WARN watched
/^Subject:.*info-me/            INFO noted
/^Subject:.*ignore-me/          IGNORE
/^Subject:.*strip-me/           STRIP stripped
/^Subject:.*dunno-me/           DUNNO
/^Subject:.*pass-me/            PASS through
/^Subject:.*replace-(\\S+)/     REPLACE X-Replaced: was $1
/^Subject:.*prepend-me/         PREPEND X-Before: yes
/^Subject:.*badprepend/         PREPEND not a header
/^Subject:.*badreplace/         REPLACE not a header
/^Subject:.*bcc-me/             BCC spy@copy.example
/^Subject:.*badbcc/             BCC nobody
/^Subject:.*redirect-me/        REDIRECT sink@copy.example
/^Subject:.*badredirect/        REDIRECT nobody
/^Subject:.*filter-me/          FILTER smtp:[127.0.0.1]:@SINK@
/^Subject:.*badfilter/          FILTER nothing
/^Subject:.*unknown-me/         FROBNICATE now
/^X-Evil:/                      REJECT evil
/^To: .*old@/                   REPLACE To: changed
/^X-Folded: a\\s+b/             REPLACE X-Folded: found
/^Received: .*by /              INFO own trace
/^Content-Type:.*exe/           REJECT no programs
/^Content-Disposition:/         REPLACE Content-Disposition: attachment
`,
  mime: `
/^Content-Type:.*name=.*\\.exe/ REJECT no programs in parts
/^Content-Type: (text.html.*)/  REPLACE Content-Type: text/plain
/^X-Part:/                      IGNORE
`,
  nested: `
/^Subject:.*inner/              REPLACE Subject: outer
/^X-Part:/                      IGNORE
`,
  body: `
/^reject this/                  REJECT words in the body
/^replace (.*)/                 REPLACE [$1]
/^ignore/                       IGNORE
/^prepend/                      PREPEND before
/^warn/                         WARN words
/^hold/                         HOLD
/^--inner/                      INFO boundary
`,
};

const ADDRESS_LISTS: readonly string[] = [
  'bob',
  'bob@host',
  'bob@site.example',
  'bob@site.example.',
  'Bob B <bob>',
  '"Bob, B." <bob@host>',
  'Bob Q. Public <bob@site.example>',
  'Bob Q. Public <bob>',
  'a, b, c',
  'a b c',
  'a (comment), b',
  'bob (Bob (nested) B)',
  '(first) bob',
  'bob (here) @ (there) site.example',
  'list: a, b@site.example;',
  'list: a; other: b;',
  'undisclosed-recipients:;',
  '<>',
  '',
  '<bob>',
  '<@relay.example:bob@site.example>',
  '<@relay.example:bob>',
  'site!bob',
  'bob%host',
  'bob%host@site.example',
  '"bob b"',
  '"bob"@site.example',
  '"bob b"@site.example',
  '"b\\"ob"@site.example',
  'bob@[192.0.2.1]',
  'bob@',
  '@site.example',
  'bob@site..example',
  '.bob@site.example',
  'bob,,alice',
  ', bob',
  'bob;',
  'Bob <bob> Alice <alice>',
  'Bob <bob>, Alice <alice@site.example> (x), "C" <c>',
  '"unclosed',
  '(unclosed bob',
  '<bob@site.example',
  'bob>',
  'bob <alice',
  'M\xfcller <bob>',
  '=?utf-8?q?M=C3=BCller?= <bob>',
  'bob@site.example,\r\n\talice,\r\n  carol@host',
  'a-long-name@site.example, another-long-name, and-one-more-name, and-the-last-of-all-names',
  `Name ${'x'.repeat(260)} <bob>`,
  `${'"quoted" '.repeat(3)}<bob>`,
  'a@b@c',
  'a:b:c',
  'bob\\@x',
  'bob"x"@y',
  '<bob> trailing words',
  '[bob]',
  '"" <bob>',
  '""',
  '@',
  '<"bob b">',
  'a!b@c',
  'postmaster',
  'old@site.example',
  'Old <old+ext@site.example>',
  'old',
  'wheel@site.example',
  'plus+more@site.example',
  'who@moved.example',
  'who+ext@all.example',
  'self@site.example',
  'two@site.example',
  'bare@site.example',
  'quote@site.example',
  'x@a.masq.example, y@masq.example, z@deep.a.masq.example, root@a.masq.example, k@keep.masq.example',
];

const COMPLETE = 'Message-Id: <x@y.example>\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\n';

const listMessages = (field: string): readonly RewritingMessage[] =>
  ADDRESS_LISTS.map((list) => ({
    name: `${field}: ${list.slice(0, 60)}`,
    message: `${field === 'From' ? '' : 'From: x@y.example\r\n'}${field}: ${list}\r\n${COMPLETE}\r\nbody\r\n`,
  }));

const fieldMessages: readonly RewritingMessage[] = [
  'Apparently-To',
  'Bcc',
  'Cc',
  'Disposition-Notification-To',
  'Errors-To',
  'Mail-Followup-To',
  'Reply-To',
  'Resent-Cc',
  'Resent-From',
  'Resent-Reply-To',
  'Resent-Sender',
  'Resent-To',
  'Return-Path',
  'Return-Receipt-To',
  'Sender',
  'X-To',
  'Delivered-To',
  'Content-Length',
  'Received',
  'to',
  'TO',
].map((field) => ({
  name: `field ${field}`,
  message: `From: x@y.example\r\n${field}: old@site.example, bob\r\n${COMPLETE}\r\nbody\r\n`,
}));

const FORMS: readonly RewritingMessage[] = [
  { name: 'nothing', message: '' },
  { name: 'an empty header', message: '\r\nbody\r\n' },
  { name: 'a body alone', message: 'just text\r\nmore\r\n' },
  { name: 'a header alone', message: 'Subject: x\r\n' },
  { name: 'only a subject', message: 'Subject: x\r\n\r\nbody\r\n' },
  { name: 'only a subject, nobody', message: 'Subject: x\r\n\r\nbody\r\n', sender: '<>' },
  { name: 'a quoted sender', message: 'Subject: x\r\n\r\nbody\r\n', sender: '<"a b"@sender.example>' },
  { name: 'a short sender', message: 'Subject: x\r\n\r\nbody\r\n', sender: '<bob>' },
  {
    name: 'short recipients',
    message: 'Subject: x\r\n\r\nbody\r\n',
    recipients: ['<alice@dest.example>', '<alice>'],
  },
  { name: 'a blank before the colon', message: 'Subject : x\r\nFrom\t: bob\r\n\r\nbody\r\n' },
  { name: 'text in the header', message: 'Subject: x\r\nno field here\r\nTo: bob\r\n\r\nbody\r\n' },
  { name: 'a fold before the first field', message: ' folded\r\nSubject: x\r\n\r\nbody\r\n' },
  { name: 'no blank after the colon', message: 'Subject:x\r\nTo:bob\r\nFrom:x@y.example\r\n\r\nbody\r\n' },
  { name: 'an empty field', message: 'Subject:\r\nTo:\r\nFrom: x@y.example\r\n\r\nbody\r\n' },
  { name: 'a From of nobody', message: 'From: MAILER-DAEMON\r\n\r\nbody\r\n' },
  {
    name: 'two of each',
    message: 'From: a\r\nFrom: b\r\nTo: c\r\nTo: d\r\nDate: x\r\nDate: y\r\n\r\nbody\r\n',
  },
  { name: 'a long field', message: `X-Long: ${'x'.repeat(3000)}\r\nFrom: a\r\n\r\n${'y'.repeat(5000)}\r\n` },
  { name: 'a resent message', message: 'Resent-To: a\r\nFrom: x@y.example\r\nSubject: x\r\n\r\nbody\r\n' },
  {
    name: 'a mailer-daemon sender',
    message: 'Subject: x\r\n\r\nbody\r\n',
    sender: '<MAILER-DAEMON@lollipop.example.com>',
  },
];

const subject = (text: string, rest = ''): RewritingMessage => ({
  name: text,
  message: `From: x@y.example\r\nSubject: ${text}\r\nTo: old@site.example\r\n${COMPLETE}${rest}\r\nbody\r\n`,
});

const CHECKED: readonly RewritingMessage[] = [
  ...[
    'reject-me',
    'reject-text',
    'reject-status',
    'reject-later',
    'reject-two',
    'discard-me',
    'hold-me',
    'warn-me',
    'info-me',
    'ignore-me',
    'strip-me',
    'dunno-me',
    'pass-me',
    'replace-this',
    'prepend-me',
    'badprepend',
    'badreplace',
    'bcc-me',
    'badbcc',
    'redirect-me',
    'badredirect',
    'filter-me',
    'badfilter',
    'unknown-me',
    'nothing',
  ].map((text) => subject(text)),
  subject('pass-me', 'X-Evil: yes\r\n'),
  subject('warn-me', 'X-Evil: yes\r\n'),
  subject('folded', 'X-Folded: a\r\n  b\r\n'),
  subject('case', 'x-evil: YES\r\n'),
  subject('typed', 'Content-Type: application/exe\r\n'),
  subject('typed', 'Content-Disposition: inline\r\n'),
  subject('M\xfcller reject-me'),
  { name: 'evil in the body', message: 'From: x@y.example\r\n\r\nX-Evil: no\r\n' },
];

const mixed = (type: string, ...parts: readonly string[]): string =>
  `From: x@y.example\r\nSubject: x\r\n${COMPLETE}MIME-Version: 1.0\r\nContent-Type: ${type}\r\n\r\npreamble\r\n` +
  parts.map((part) => `--b\r\n${part}`).join('') +
  '--b--\r\nepilogue\r\n';

const PARTS: readonly RewritingMessage[] = [
  {
    name: 'a plain part',
    message: mixed(
      'multipart/mixed; boundary=b',
      'Content-Type: text/plain\r\nX-Part: 1\r\n\r\nreplace one\r\n',
    ),
  },
  {
    name: 'an html part',
    message: mixed(
      'multipart/mixed; boundary="b"',
      'Content-Type: text/html\r\n\r\n<p>\r\n',
      'X-Part: 2\r\n\r\nwarn\r\n',
    ),
  },
  {
    name: 'a program',
    message: mixed('multipart/mixed; boundary=b', 'Content-Type: application/x; name="a.exe"\r\n\r\nx\r\n'),
  },
  {
    name: 'a message inside',
    message: mixed(
      'multipart/mixed; boundary=b',
      'Content-Type: message/rfc822\r\nX-Part: 1\r\n\r\nSubject: inner\r\nX-Part: 2\r\nTo: bob\r\n\r\nreplace deep\r\n',
    ),
  },
  { name: 'a digest', message: mixed('multipart/digest; boundary=b', '\r\nSubject: inner\r\n\r\ntext\r\n') },
  {
    name: 'parts in a part',
    message: mixed(
      'multipart/mixed; boundary=b',
      'Content-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\nX-Part: 3\r\n\r\nignore\r\n--c--\r\n',
    ),
  },
  { name: 'a part without a header', message: mixed('multipart/mixed; boundary=b', '\r\nreplace two\r\n') },
  {
    name: 'text in a part header',
    message: mixed('multipart/mixed; boundary=b', 'X-Part: 1\r\nno field\r\nX-Part: 2\r\n\r\nx\r\n'),
  },
  {
    name: 'a message that is one',
    message: `From: x@y.example\r\n${COMPLETE}Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nbody\r\n`,
  },
  { name: 'no boundary', message: mixed('multipart/mixed', 'X-Part: 1\r\n\r\nx\r\n') },
  {
    name: 'comments and quotes',
    message: mixed('multipart/mixed (c); charset=x; boundary="\\b" (d)', 'X-Part: 1\r\n\r\nx\r\n'),
  },
  {
    name: 'a body',
    message: `From: x@y.example\r\n${COMPLETE}\r\nreplace me\r\nignore\r\nprepend\r\nwarn\r\n\r\nplain\r\n`,
  },
  { name: 'a body that is refused', message: `From: x@y.example\r\n${COMPLETE}\r\nfine\r\nreject this\r\n` },
  { name: 'a body that is held', message: `From: x@y.example\r\n${COMPLETE}\r\nhold\r\n` },
  {
    name: 'a long line',
    message: `From: x@y.example\r\n${COMPLETE}\r\n${'z'.repeat(2048)}reject this\r\n${'w'.repeat(2047)}\r\nreplace x\r\n`,
  },
  {
    name: 'beyond the limit',
    message: `From: x@y.example\r\n${COMPLETE}\r\n${`${'z'.repeat(70)}\r\n`.repeat(20)}replace late\r\n`,
  },
  { name: 'octets in the header', message: `From: x@y.example\r\nSubject: \xe4\r\n${COMPLETE}\r\nbody\r\n` },
  { name: 'octets in the body', message: `From: x@y.example\r\n${COMPLETE}\r\n\xe4\r\n` },
  {
    name: 'declared octets',
    message: `From: x@y.example\r\n${COMPLETE}Content-Transfer-Encoding: 8bit\r\n\r\n\xe4\r\n`,
  },
  {
    name: 'an encoded multipart',
    message: mixed('multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64', '\r\nx\r\n'),
  },
];

const CANONICAL = { canonical_maps: 'texthash:@TABLES@/canonical' };
const STRANGERS = { local_header_rewrite_clients: '' };
const AS_THEY_ARE = { remote_header_rewrite_domain: '' };
const ENVELOPES: readonly RewritingMessage[] = [
  '<old@site.example>',
  '<old+ext@site.example>',
  '<wheel@site.example>',
  '<who@moved.example>',
  '<"quoted one"@moved.example>',
  '<loop1@site.example>',
].map((address) => ({
  name: `envelope ${address}`,
  message: `From: x@y.example\r\n${COMPLETE}\r\nbody\r\n`,
  sender: address,
  recipients: [address, '<other@dest.example>'],
}));

export const SCENARIOS: readonly RewritingScenario[] = [
  {
    name: 'clients of ours',
    messages: [...listMessages('To'), ...listMessages('From'), ...fieldMessages, ...FORMS],
  },
  {
    name: 'strangers',
    smtpd: STRANGERS,
    cleanup: AS_THEY_ARE,
    messages: [...listMessages('To').slice(0, 20), ...fieldMessages, ...FORMS],
  },
  {
    name: 'strangers with a domain',
    smtpd: STRANGERS,
    messages: [...listMessages('Cc').slice(0, 30), ...FORMS],
  },
  {
    name: 'strangers completed',
    smtpd: STRANGERS,
    cleanup: {
      ...AS_THEY_ARE,
      always_add_missing_headers: 'yes',
      undisclosed_recipients_header: 'To: undisclosed-recipients:;',
    },
    messages: FORMS,
  },
  {
    name: 'canonical',
    cleanup: CANONICAL,
    messages: [
      ...listMessages('To').slice(60),
      ...listMessages('From').slice(60),
      ...fieldMessages,
      ...ENVELOPES,
    ],
  },
  {
    name: 'canonical for senders only',
    cleanup: { ...CANONICAL, canonical_classes: 'envelope_sender, header_sender' },
    messages: [...fieldMessages, ...ENVELOPES],
  },
  {
    name: 'canonical by kind',
    cleanup: {
      ...CANONICAL,
      sender_canonical_maps: 'texthash:@TABLES@/senders',
      recipient_canonical_maps: 'texthash:@TABLES@/recipients',
    },
    messages: [...fieldMessages, ...ENVELOPES],
  },
  {
    name: 'canonical by kind, header only',
    cleanup: {
      sender_canonical_maps: 'texthash:@TABLES@/senders',
      sender_canonical_classes: 'header_sender',
      recipient_canonical_maps: 'texthash:@TABLES@/recipients',
      recipient_canonical_classes: 'header_recipient',
    },
    messages: [...fieldMessages, ...ENVELOPES],
  },
  {
    name: 'no mappings',
    smtpd: { receive_override_options: 'no_address_mappings' },
    cleanup: { ...CANONICAL, always_bcc: 'all@copy.example' },
    messages: [...fieldMessages.slice(0, 5), ...ENVELOPES],
  },
  {
    name: 'masquerading',
    cleanup: {
      masquerade_domains: '!keep.masq.example masq.example',
      masquerade_exceptions: 'root',
      masquerade_classes: 'envelope_sender, envelope_recipient, header_sender, header_recipient',
    },
    messages: [
      ...listMessages('To').slice(-1),
      ...listMessages('From').slice(-1),
      {
        name: 'envelope',
        message: `From: a@h.masq.example\r\n${COMPLETE}\r\nx\r\n`,
        sender: '<a@h.masq.example>',
        recipients: ['<a@h.masq.example>', '<root@h.masq.example>', '<b@h.keep.masq.example>'],
      },
    ],
  },
  {
    name: 'masquerading by default',
    cleanup: { masquerade_domains: 'masq.example' },
    messages: [
      {
        name: 'envelope',
        message: `From: a@h.masq.example\r\nTo: b@H.Masq.Example\r\n${COMPLETE}\r\nx\r\n`,
        sender: '<a@h.masq.example>',
        recipients: ['<a@h.masq.example>'],
      },
    ],
  },
  {
    name: 'copies',
    cleanup: {
      always_bcc: 'all@copy.example',
      sender_bcc_maps: 'texthash:@TABLES@/bcc',
      recipient_bcc_maps: 'texthash:@TABLES@/bcc',
    },
    messages: [
      {
        name: 'sender and recipients',
        message: `From: x@y.example\r\n${COMPLETE}\r\nx\r\n`,
        recipients: [
          '<alice@dest.example>',
          '<alice+ext@dest.example>',
          '<who@domain.example>',
          '<other@dest.example>',
        ],
      },
      {
        name: 'nobody',
        message: `From: x@y.example\r\n${COMPLETE}\r\nx\r\n`,
        sender: '<>',
        recipients: ['<other@dest.example>'],
      },
    ],
  },
  {
    name: 'header checks',
    cleanup: { header_checks: 'pcre:@TABLES@/checks' },
    messages: [...CHECKED, ...PARTS.slice(0, 4)],
  },
  {
    name: 'header checks alone',
    cleanup: { header_checks: 'regexp:@TABLES@/checks', mime_header_checks: '', nested_header_checks: '' },
    messages: CHECKED,
  },
  {
    name: 'no checks',
    smtpd: { receive_override_options: 'no_header_body_checks' },
    cleanup: { header_checks: 'pcre:@TABLES@/checks', body_checks: 'pcre:@TABLES@/body' },
    messages: CHECKED,
  },
  {
    name: 'part checks',
    cleanup: {
      mime_header_checks: 'pcre:@TABLES@/mime',
      nested_header_checks: 'pcre:@TABLES@/nested',
      body_checks: 'pcre:@TABLES@/body',
      body_checks_size_limit: '1000',
    },
    messages: PARTS,
  },
  {
    name: 'part checks without MIME',
    cleanup: {
      mime_header_checks: 'pcre:@TABLES@/mime',
      nested_header_checks: 'pcre:@TABLES@/nested',
      body_checks: 'pcre:@TABLES@/body',
      disable_mime_input_processing: 'yes',
    },
    messages: PARTS,
  },
  {
    name: 'strict MIME',
    cleanup: { strict_8bitmime: 'yes', strict_mime_encoding_domain: 'yes', mime_nesting_limit: '1' },
    messages: PARTS,
  },
  { name: 'strict headers', cleanup: { strict_7bit_headers: 'yes' }, messages: PARTS },
  {
    name: 'a small header limit',
    cleanup: { header_size_limit: '100' },
    messages: FORMS,
  },
  {
    name: 'other dropped fields',
    cleanup: {
      message_drop_headers: 'x-secret, sender',
      undisclosed_recipients_header: 'To: nobody:;',
      header_from_format: 'obsolete',
    },
    messages: [
      ...fieldMessages,
      ...FORMS,
      { name: 'a secret', message: `X-Secret: y\r\nFrom: x@y.example\r\n${COMPLETE}\r\nX-Secret: z\r\n` },
    ],
  },
];
