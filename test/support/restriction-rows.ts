// Configurations and what clients meet under them: the table that `restrictions.test.ts` plays against the real Postfix
// and against ours. Expectations are not written down: the two must say the same.

export interface RestrictionRow {
  /** `name[address]`, or an address without a name; who it is said to be. */
  readonly client?: string;
  readonly helo?: string;
  /** With its angle brackets. */
  readonly sender?: string;
  readonly recipient?: string;
  readonly login?: string;
  /** In place of MAIL and RCPT. */
  readonly commands?: readonly string[];
  /** Goes on to DATA with this message. */
  readonly message?: string;
}

export interface RestrictionScenario {
  readonly name: string;
  /** Overrides of main.cf. `@NAME@` is the table of that name. */
  readonly main: Readonly<Record<string, string>>;
  readonly rows: readonly RestrictionRow[];
}

/** Access tables, by name; written as `hash:` files except where the name says otherwise. */
export const TABLES: Readonly<Record<string, string>> = {
  client: `
good.client.example        OK
bad.client.example         REJECT
text.client.example        REJECT go away
parents.example            REJECT parent
.dotted.example            REJECT dotted
192.0.2.66                 REJECT by address
198.51.100                 REJECT by network
203                        DEFER by class A
2001:db8:0:1               REJECT by v6 network
unknown                    DUNNO
defer.client.example       DEFER
deferp.client.example      DEFER_IF_PERMIT
deferr.client.example      DEFER_IF_REJECT
`,
  address: `
192.0.2.7                  REJECT seven
`,
  helo: `
bad.helo.example           REJECT
helo.example               OK
num.helo.example           554 5.7.99 no numbers
[192.0.2.9]                REJECT literal
tld                        REJECT top
`,
  sender: `
bad@sender.example         REJECT
user@sender.example        OK
ext+one@sender.example     REJECT with extension
ext@sender.example         REJECT without extension
sub.example                REJECT subdomain
anywhere@                  REJECT local part
plus@                      REJECT local part without extension
<>                         REJECT no bounces
"a b"@sender.example       REJECT quoted
`,
  actions: `
ok@s.example               OK
relay@s.example            RELAY
dunno@s.example            DUNNO whatever
reject@s.example           REJECT
rejecttext@s.example       REJECT some text
rejectdsn@s.example        REJECT 5.1.2 some text
reject4@s.example          REJECT 4.7.2 four
reject199@s.example        REJECT 5.1.99 ninety-nine
defer@s.example            DEFER
defertext@s.example        DEFER 4.2.1 later
deferp@s.example           DEFER_IF_PERMIT
deferptext@s.example       defer_if_permit 4.3.3 perhaps
deferr@s.example           DEFER_IF_REJECT
deferrtext@s.example       DEFER_IF_REJECT 4.3.3 perhaps not
digits@s.example           550
stamp@s.example            1234567890
code550@s.example          550 no way
code450@s.example          450 not now
code550dsn@s.example       550 5.1.1 no way
code451dsn@s.example       451 4.1.8 no way
code200@s.example          200 fine
code600@s.example          600 wrong
code521@s.example          521 5.1.5 gone
word@s.example             reject_unauth_destination
words@s.example            permit_mynetworks, reject
words2@s.example           reject_unknown_sender_domain permit
unknownword@s.example      frobnicate
late@s.example             permit frobnicate
table@s.example            check_client_access hash:/etc/postfix/x
class@s.example            strict
classes@s.example          lenient, strict
warn@s.example             warn_if_reject reject
warnclass@s.example        warn_if_reject strict
deferword@s.example        defer
deferpword@s.example       defer_if_permit
deferrword@s.example       defer_if_reject
info@s.example             INFO take note
infobare@s.example         INFO
warnaction@s.example       WARN beware
hold@s.example             HOLD
holdtext@s.example         HOLD look at this
discard@s.example          DISCARD
discardtext@s.example      DISCARD into the void
redirect@s.example         REDIRECT root@example.com
redirectbad@s.example      REDIRECT nowhere
bcc@s.example              BCC root@example.com
bccbad@s.example           BCC nowhere
prepend@s.example          PREPEND X-Seen: yes
prependbad@s.example       PREPEND not a header
self@s.example             loop
`,
  recipient: `
blocked@example.com        REJECT
alice@example.com          DUNNO
bob@example.com            OK
elsewhere@foreign.example  OK
root@                      550 5.1.99 not root
postmaster@example.com     REJECT no postmaster
held@example.com           HOLD
199@example.com            550 5.1.99 ninety-nine
157@example.com            550 5.1.7 seven
158@example.com            450 4.1.8 eight
17@example.com             REJECT 5.7.1 seven one
class@example.com          strict
`,
  servers: `
mx.bad.example             REJECT bad exchange
mx.good.example            OK
ns.bad.example             REJECT bad name server
192.0.2.250                REJECT bad address
10.99                      554 bad network
`,
  sasl: `
mallory                    REJECT not you
alice                      OK
`,
  backupnets: `
192.0.2.250                OK
`,
  etrn: `
here.example               OK
no.example                 REJECT
later.example              DEFER_IF_PERMIT
`,
  footers: `
/Access denied/            Ask somebody about $client_address.
/some text/                \\c (and this)
`,
  commands: `
/^FROBNICATE/              NOOP
/^HELO broken/             HELO
/^RCPT TO:<swapped@/       RCPT TO:<bob@example.com>
`,
  logins: `
owned@sender.example       alice
shared@sender.example      alice, bob
@team.example              carol bob
root                       alice
`,
  rbl: `
own.list.example=127.0.0.[2;4..6] $rbl_code 5.7.42 $rbl_what is listed${'${rbl_reason?: $rbl_reason}'}
broken.list.example        not a code
short.list.example         550 5.7.43 $rbl_what is listed
`,
};

const CLIENTS = [
  'good.client.example[192.0.2.1]',
  'bad.client.example[192.0.2.2]',
  'text.client.example[192.0.2.3]',
  'a.parents.example[192.0.2.4]',
  'a.b.parents.example[192.0.2.4]',
  'parents.example[192.0.2.4]',
  'a.dotted.example[192.0.2.4]',
  'other.example[192.0.2.66]',
  '192.0.2.66',
  'other.example[198.51.100.3]',
  'other.example[203.0.113.3]',
  'other.example[2001:db8:0:1::5]',
  'defer.client.example[192.0.2.5]',
  'deferp.client.example[192.0.2.5]',
  'deferr.client.example[192.0.2.5]',
];

const ACTIONS = (TABLES['actions'] ?? '')
  .split('\n')
  .map((line) => line.split(/\s+/)[0] ?? '')
  .filter((address) => address !== '' && address !== 'self@s.example');

const MESSAGE = 'Subject: hello\r\n\r\nhello\r\n';
const FOREIGN = '<carol@foreign.example>';

const clients = (list: readonly string[]): RestrictionRow[] => list.map((client) => ({ client }));
const senders = (list: readonly string[], more: RestrictionRow = {}): RestrictionRow[] =>
  list.map((sender) => ({ sender: `<${sender}>`, ...more }));
const recipients = (list: readonly string[], more: RestrictionRow = {}): RestrictionRow[] =>
  list.map((recipient) => ({ recipient: `<${recipient}>`, ...more }));
const helos = (list: readonly string[]): RestrictionRow[] => list.map((helo) => ({ helo }));

export const SCENARIOS: readonly RestrictionScenario[] = [
  {
    name: 'client access',
    main: { smtpd_client_restrictions: 'check_client_access @client@' },
    rows: clients(CLIENTS),
  },
  {
    name: 'client access, then reject',
    main: { smtpd_client_restrictions: 'check_client_access @client@, reject' },
    rows: clients([...CLIENTS, '192.0.2.99', 'some.where.example[192.0.2.98]']),
  },
  {
    name: 'bare table in the client list',
    main: { smtpd_client_restrictions: '@address@ permit' },
    rows: clients(['192.0.2.7', '192.0.2.8']),
  },
  {
    name: 'dotted parents',
    main: {
      smtpd_client_restrictions: 'check_client_access @client@',
      smtpd_sender_restrictions: 'check_sender_access @sender@',
      parent_domain_matches_subdomains: 'mynetworks',
    },
    rows: [
      ...clients([
        'a.parents.example[192.0.2.4]',
        'parents.example[192.0.2.4]',
        'a.dotted.example[192.0.2.4]',
      ]),
      ...senders(['x@a.sub.example', 'x@sub.example']),
    ],
  },
  {
    name: 'reverse name access',
    main: { smtpd_client_restrictions: 'check_reverse_client_hostname_access @client@' },
    rows: clients([
      'good.client.example[192.0.2.1]',
      'bad.client.example[192.0.2.2]',
      '192.0.2.66',
      '192.0.2.9',
    ]),
  },
  {
    name: 'client access at once',
    main: { smtpd_client_restrictions: 'check_client_access @client@', smtpd_delay_reject: 'no' },
    rows: clients(['bad.client.example[192.0.2.2]', 'good.client.example[192.0.2.1]']),
  },
  {
    name: 'HELO access',
    main: { smtpd_helo_restrictions: 'check_helo_access @helo@' },
    rows: helos([
      'bad.helo.example',
      'helo.example',
      'a.helo.example',
      'num.helo.example',
      '[192.0.2.9]',
      'other.tld',
      'plain',
      '192.0.2.1',
    ]),
  },
  {
    name: 'HELO access at once',
    main: { smtpd_helo_restrictions: 'check_helo_access @helo@', smtpd_delay_reject: 'no' },
    rows: helos(['bad.helo.example', 'helo.example']),
  },
  {
    name: 'sender access',
    main: { smtpd_sender_restrictions: 'check_sender_access @sender@', recipient_delimiter: '+' },
    rows: senders([
      'bad@sender.example',
      'BAD@Sender.Example',
      'user@sender.example',
      'ext+one@sender.example',
      'ext+two@sender.example',
      'x@sub.example',
      'x@a.b.sub.example',
      'anywhere@any.example',
      'plus+x@any.example',
      '',
      '"a b"@sender.example',
      'nobody@nowhere.example',
      'anywhere',
    ]),
  },
  {
    name: 'every action for a sender',
    main: { smtpd_sender_restrictions: 'check_sender_access @actions@' },
    rows: senders(ACTIONS),
  },
  {
    name: 'every action for a sender, to somebody else',
    main: { smtpd_sender_restrictions: 'check_sender_access @actions@' },
    rows: senders(ACTIONS, { recipient: FOREIGN }),
  },
  {
    name: 'every action in the recipient list',
    main: {
      smtpd_recipient_restrictions: 'check_sender_access @actions@, reject_unauth_destination, reject',
    },
    rows: senders(ACTIONS),
  },
  {
    name: 'every action under warn_if_reject',
    main: { smtpd_sender_restrictions: 'warn_if_reject check_sender_access @actions@' },
    rows: senders(ACTIONS),
  },
  {
    name: 'every action at MAIL',
    main: { smtpd_sender_restrictions: 'check_sender_access @actions@', smtpd_delay_reject: 'no' },
    rows: senders(ACTIONS),
  },
  {
    name: 'every action at DATA',
    main: { smtpd_data_restrictions: 'check_sender_access @actions@' },
    rows: senders(ACTIONS, { message: MESSAGE }),
  },
  {
    name: 'every action at the end of data',
    main: { smtpd_end_of_data_restrictions: 'check_sender_access @actions@' },
    rows: senders(ACTIONS, { message: MESSAGE }),
  },
  {
    name: 'codes of access tables',
    main: {
      smtpd_sender_restrictions: 'check_sender_access @actions@',
      access_map_reject_code: '521',
      access_map_defer_code: '421',
    },
    rows: senders(['reject@s.example', 'rejectdsn@s.example', 'defer@s.example', 'deferp@s.example']),
  },
  {
    name: 'recipient access',
    main: { smtpd_recipient_restrictions: 'check_recipient_access @recipient@, reject_unauth_destination' },
    rows: recipients([
      'blocked@example.com',
      'alice@example.com',
      'bob@example.com',
      'elsewhere@foreign.example',
      'root@example.com',
      'root@foreign.example',
      'root',
      'postmaster',
      'postmaster@example.com',
      'held@example.com',
      '199@example.com',
      '157@example.com',
      '158@example.com',
      '17@example.com',
      'class@example.com',
      'bob%foreign.example@example.com',
    ]),
  },
  {
    name: 'an OK before the relay list',
    main: {
      smtpd_recipient_restrictions: 'check_recipient_access @recipient@, permit',
      smtpd_relay_restrictions: 'reject_unauth_destination',
    },
    rows: recipients(['bob@example.com', 'elsewhere@foreign.example', 'carol@foreign.example']),
  },
  {
    name: 'mail exchangers of the sender',
    main: { smtpd_sender_restrictions: 'check_sender_mx_access @servers@' },
    rows: senders([
      'x@badmx.example',
      'x@goodmx.example',
      'x@badaddress.example',
      'x@nomx.example',
      'x@nullmx.example',
      'x@servfail.example',
      'x@missing.example',
      'x@[192.0.2.250]',
      'x@[192.0.2.251]',
      '',
    ]),
  },
  {
    name: 'name servers of the sender',
    main: { smtpd_sender_restrictions: 'check_sender_ns_access @servers@' },
    rows: senders(['x@badns.example', 'x@deep.under.badns.example', 'x@goodns.example', 'x@missing.example']),
  },
  {
    name: 'addresses of the sender',
    main: { smtpd_sender_restrictions: 'check_sender_a_access @servers@' },
    rows: senders(['x@nomx.example', 'x@badmx.example', 'x@missing.example', 'x@[10.99.1.1]']),
  },
  {
    name: 'servers of others',
    main: {
      smtpd_client_restrictions: 'check_client_mx_access @servers@, check_client_a_access @servers@',
      smtpd_helo_restrictions: 'check_helo_mx_access @servers@, check_helo_ns_access @servers@',
      smtpd_recipient_restrictions: 'reject_unauth_destination, check_recipient_mx_access @servers@',
    },
    rows: [
      ...clients(['badmx.example[192.0.2.1]', 'nomx.example[192.0.2.1]', '192.0.2.1']),
      ...helos(['badmx.example', 'badns.example', 'goodmx.example', '[192.0.2.250]']),
      ...recipients(['alice@example.com']),
    ],
  },
  {
    name: 'classes',
    main: { smtpd_recipient_restrictions: 'lenient, strict, permit' },
    rows: recipients(['alice@example.com', 'carol@foreign.example']),
  },
  {
    name: 'warn_if_reject before a class',
    main: { smtpd_recipient_restrictions: 'warn_if_reject strict, reject_unauth_destination' },
    rows: recipients(['alice@example.com', 'carol@foreign.example']),
  },
  {
    name: 'deferrals and refusals',
    main: {
      smtpd_client_restrictions: 'check_client_access @client@',
      smtpd_recipient_restrictions: 'check_sender_access @actions@, reject_unauth_destination',
    },
    rows: ['deferp.client.example[192.0.2.5]', 'deferr.client.example[192.0.2.5]'].flatMap((client) =>
      ['ok@s.example', 'reject@s.example', 'defer@s.example', 'deferr@s.example', 'deferp@s.example'].flatMap(
        (sender) => [
          { client, sender: `<${sender}>` },
          { client, sender: `<${sender}>`, recipient: FOREIGN },
        ],
      ),
    ),
  },
  {
    name: 'block lists',
    main: {
      smtpd_client_restrictions:
        'reject_rbl_client block.example, reject_rbl_client own.list.example=127.0.0.[2;4..6], reject_rbl_client down.example',
      smtpd_helo_restrictions: 'reject_rhsbl_helo names.example',
      smtpd_sender_restrictions: 'reject_rhsbl_sender names.example, reject_rhsbl_client names.example',
      smtpd_recipient_restrictions: 'reject_unauth_destination, reject_rhsbl_recipient names.example',
      rbl_reply_maps: '@rbl@',
    },
    rows: [
      ...clients([
        '192.0.2.10',
        '192.0.2.11',
        '192.0.2.12',
        '192.0.2.13',
        '192.0.2.14',
        'listed.example[192.0.2.14]',
        'other.example[2001:db8::1]',
      ]),
      ...helos(['listed.example', '192.0.2.10', 'listed.example.']),
      ...senders(['x@listed.example', 'x@quiet.example', 'x@[192.0.2.10]']),
    ],
  },
  {
    name: 'another reply of block lists',
    main: {
      smtpd_client_restrictions: 'reject_rbl_client block.example, reject_rbl_client broken.list.example',
      default_rbl_reply: '$rbl_code 5.7.7 $client_address at $rbl_domain ($rbl_class): $rbl_txt',
      maps_rbl_reject_code: '550',
      rbl_reply_maps: '@rbl@',
    },
    rows: clients(['192.0.2.10', '192.0.2.14', '192.0.2.15']),
  },
  {
    name: 'a reply for a list with a filter, by its name alone',
    main: {
      smtpd_client_restrictions: 'reject_rbl_client short.list.example=127.0.0.[2..9]',
      rbl_reply_maps: '@rbl@',
    },
    rows: clients(['192.0.2.16']),
  },
  {
    name: 'allow lists',
    main: {
      smtpd_client_restrictions:
        'permit_dnswl_client allow.example=127.0.[5..6].1, permit_rhswl_client names.example, reject',
    },
    rows: [
      ...clients([
        '192.0.2.20',
        '192.0.2.21',
        '192.0.2.22',
        'listed.example[192.0.2.99]',
        'quiet.example[192.0.2.99]',
      ]),
      ...clients(['192.0.2.20']).map((row) => ({ ...row, recipient: FOREIGN })),
    ],
  },
  {
    name: 'logins and senders',
    main: {
      smtpd_sender_login_maps: '@logins@',
      smtpd_sender_restrictions: 'reject_sender_login_mismatch',
      smtpd_recipient_restrictions: 'permit_sasl_authenticated, reject_unauth_destination',
    },
    rows: [undefined, 'alice', 'bob', 'ALICE'].flatMap((login) =>
      senders(
        [
          'owned@sender.example',
          'shared@sender.example',
          'any@team.example',
          'free@sender.example',
          'root@example.com',
          '',
        ],
        login === undefined ? {} : { login },
      ),
    ),
  },
  {
    name: 'logins and known senders',
    main: {
      smtpd_sender_login_maps: '@logins@',
      smtpd_sender_restrictions:
        'reject_known_sender_login_mismatch, reject_unauthenticated_sender_login_mismatch',
    },
    rows: [undefined, 'alice', 'bob'].flatMap((login) =>
      senders(['owned@sender.example', 'free@sender.example'], login === undefined ? {} : { login }),
    ),
  },
  {
    name: 'logins in a table',
    main: { smtpd_recipient_restrictions: 'check_sasl_access @sasl@, reject_unauth_destination' },
    rows: ['mallory', 'alice', 'bob'].flatMap((login) => [{ login }, { login, recipient: FOREIGN }]),
  },
  {
    name: 'unlisted senders and recipients',
    main: {
      smtpd_reject_unlisted_sender: 'yes',
      smtpd_recipient_restrictions: 'reject_unauth_destination',
    },
    rows: [
      ...senders(['nobody-here@example.com', 'root@example.com', 'x@sender.example', '', 'nobody-here']),
      ...recipients(['nobody-here@example.com', 'root@example.com', 'alice@example.com']),
    ],
  },
  {
    name: 'unlisted by word',
    main: {
      smtpd_reject_unlisted_recipient: 'no',
      smtpd_sender_restrictions: 'warn_if_reject reject_unlisted_sender',
      smtpd_recipient_restrictions: 'reject_unauth_destination, reject_unlisted_recipient',
    },
    rows: [
      ...senders(['nobody-here@example.com', 'root@example.com']),
      ...recipients(['nobody-here@example.com', 'root@example.com']),
    ],
  },
  {
    name: 'words alone',
    main: {
      smtpd_client_restrictions: 'warn_if_reject reject_unknown_client_hostname, defer_if_reject',
      smtpd_sender_restrictions: 'reject_non_fqdn_sender, defer_if_permit',
      smtpd_recipient_restrictions: 'reject_unauth_destination, reject_plaintext_session',
    },
    rows: [
      {},
      { recipient: FOREIGN },
      { sender: '<short>' },
      { client: '127.0.0.1' },
      { client: 'good.client.example[192.0.2.1]' },
    ],
  },
  {
    name: 'a footer',
    main: {
      smtpd_sender_restrictions: 'check_sender_access @actions@',
      smtpd_reject_footer: 'Ask postmaster about $client_address.\\nThank you, $server_name',
    },
    rows: senders(['reject@s.example', 'defer@s.example', 'ok@s.example']),
  },
  {
    name: 'a footer in the same line',
    main: {
      smtpd_sender_restrictions: 'check_sender_access @actions@',
      smtpd_reject_footer: '\\c. Ask postmaster.',
    },
    rows: senders(['reject@s.example']),
  },
  {
    name: 'a policy server that is away',
    main: {
      smtpd_recipient_restrictions: 'reject_unauth_destination, check_policy_service inet:127.0.0.1:1',
      smtpd_policy_service_try_limit: '1',
    },
    rows: [{}, { recipient: FOREIGN }],
  },
  {
    name: 'a policy server that is away, and need not answer',
    main: {
      smtpd_recipient_restrictions:
        'reject_unauth_destination, check_policy_service { inet:127.0.0.1:1, default_action=DUNNO, try_limit=1 }, check_policy_service { inet:127.0.0.1:1, { default_action = 550 5.7.3 gone }, try_limit=1 }',
    },
    rows: [{}],
  },
  {
    name: 'a policy server',
    main: {
      smtpd_recipient_restrictions:
        'reject_unauth_destination, check_policy_service { inet:127.0.0.1:@POLICY@, policy_context=here }',
      smtpd_data_restrictions: 'check_policy_service inet:127.0.0.1:@POLICY@',
      smtpd_end_of_data_restrictions: 'check_policy_service inet:127.0.0.1:@POLICY@',
    },
    rows: [
      ...senders(
        ['dunno@policy.example', 'reject@policy.example', 'code@policy.example', 'empty@policy.example'],
        { client: 'good.client.example[192.0.2.1]', message: MESSAGE },
      ),
      { sender: '<dunno@policy.example>', login: 'alice', message: MESSAGE },
    ],
  },
  {
    name: 'a backup mail exchanger',
    main: {
      smtpd_relay_restrictions: 'permit_mx_backup, reject_unauth_destination',
    },
    rows: [
      {},
      { recipient: '<x@backup.example>' },
      { recipient: '<x@first.example>' },
      { recipient: '<x@third.example>' },
      { recipient: '<x@only.example>' },
      { recipient: '<x@nomx.example>' },
      { recipient: '<x@nullmx.example>' },
      { recipient: '<x@downmx.example>' },
      { recipient: '<x@lost.example>' },
      { recipient: '<x@nowhere.example>' },
      { recipient: '<x@[192.0.2.5]>' },
      { recipient: '<x%foreign.example@backup.example>' },
      { recipient: '<@backup.example:x@foreign.example>' },
    ],
  },
  {
    name: 'a backup mail exchanger for some networks',
    main: {
      smtpd_relay_restrictions: 'permit_mx_backup, reject_unauth_destination',
      permit_mx_backup_networks: '192.0.2.248/29',
    },
    rows: [
      { recipient: '<x@backup.example>' },
      { recipient: '<x@backup2.example>' },
      { recipient: '<x@backup3.example>' },
    ],
  },
  {
    name: 'lists of block lists, as of old',
    main: {
      smtpd_client_restrictions: 'reject_maps_rbl',
      maps_rbl_domains: 'own.list.example, block.example',
    },
    rows: [{ client: '192.0.2.10' }, { client: '192.0.2.11' }, { client: '192.0.2.99' }],
  },
  {
    name: 'a bare address as a name',
    main: { smtpd_helo_restrictions: 'permit_naked_ip_address, reject' },
    rows: [
      { helo: '192.0.2.7' },
      { helo: '[192.0.2.7]' },
      { helo: '2001:db8::1' },
      { helo: '2001::1' },
      { helo: '1.2.3' },
      { helo: 'x.example' },
    ],
  },
  {
    name: 'relaying as of old',
    main: {
      smtpd_relay_restrictions: 'permit_mynetworks, check_relay_domains, reject_unauth_destination',
      relay_domains: 'client.example',
    },
    rows: [
      {},
      { recipient: FOREIGN },
      { recipient: FOREIGN, client: 'good.client.example[192.0.2.1]' },
      { recipient: '<x@client.example>' },
      { recipient: '<x%foreign.example@example.com>' },
    ],
  },
  {
    name: 'a temporary failure that refuses at once',
    main: {
      smtpd_helo_restrictions: 'reject_unknown_helo_hostname',
      smtpd_sender_restrictions: 'reject_unknown_sender_domain',
      smtpd_recipient_restrictions: 'reject_unauth_destination, reject',
      reject_tempfail_action: 'defer',
    },
    rows: [
      { helo: 'down.example' },
      { helo: 's.example', sender: '<x@down.example>' },
      { helo: 's.example' },
    ],
  },
  {
    name: 'a temporary failure that refuses at once, for names alone',
    main: {
      smtpd_helo_restrictions: 'reject_unknown_helo_hostname',
      smtpd_sender_restrictions: 'reject_unknown_sender_domain',
      smtpd_recipient_restrictions: 'reject_unauth_destination, reject',
      unknown_helo_hostname_tempfail_action: 'defer',
    },
    rows: [{ helo: 'down.example' }, { helo: 's.example', sender: '<x@down.example>' }],
  },
  {
    name: 'permissions that are logged',
    main: {
      smtpd_log_access_permit_actions: 'static:all',
      smtpd_client_restrictions: 'check_client_access @client@, permit_mynetworks',
      smtpd_sender_restrictions: 'check_sender_access @actions@',
      smtpd_recipient_restrictions: 'permit_auth_destination, permit_sasl_authenticated, permit',
    },
    rows: [
      {},
      { client: '127.0.0.1' },
      { client: 'good.client.example[192.0.2.1]' },
      { client: 'good.client.example[192.0.2.1]', recipient: FOREIGN },
      ...senders([
        'ok@s.example',
        'relay@s.example',
        'stamp@s.example',
        'discard@s.example',
        'words@s.example',
        'class@s.example',
        'deferp@s.example',
      ]),
    ],
  },
  {
    name: 'some permissions that are logged',
    main: {
      smtpd_log_access_permit_actions: 'permit_auth_destination, relay',
      smtpd_sender_restrictions: 'check_sender_access @actions@',
      smtpd_recipient_restrictions: 'permit_auth_destination, reject',
    },
    rows: senders(['ok@s.example', 'relay@s.example', 'dunno@s.example']),
  },
  {
    name: 'footers from a table',
    main: {
      smtpd_sender_restrictions: 'check_sender_access @actions@',
      smtpd_reject_footer_maps: 'pcre:@TABLES@/footers',
      smtpd_reject_footer: 'Otherwise.',
    },
    rows: senders([
      'reject@s.example',
      'rejecttext@s.example',
      'defer@s.example',
      'code550@s.example',
      'ok@s.example',
    ]),
  },
  {
    name: 'other commands in their place',
    main: { smtpd_command_filter: 'pcre:@TABLES@/commands' },
    rows: [
      { commands: ['FROBNICATE now'] },
      { helo: 'broken' },
      { recipient: '<swapped@foreign.example>' },
      { commands: ['NOOP', 'VRFY swapped@example.com'] },
    ],
  },
  {
    name: 'ETRN',
    main: {},
    rows: [
      { commands: ['ETRN'] },
      { commands: ['ETRN a b'] },
      { commands: ['ETRN -bad-'] },
      { commands: ['ETRN #here.example'] },
      { commands: ['ETRN @here.example'] },
      { commands: ['ETRN elsewhere.example'] },
      { commands: ['MAIL FROM:<>', 'ETRN here.example'] },
    ],
  },
  {
    name: 'ETRN for some',
    main: {
      smtpd_client_restrictions: 'check_client_access @client@',
      smtpd_helo_restrictions: 'check_helo_access @helo@',
      smtpd_etrn_restrictions: 'check_etrn_access @etrn@, permit_mynetworks, reject',
    },
    rows: [
      { commands: ['ETRN here.example'] },
      { commands: ['ETRN no.example'] },
      { commands: ['ETRN later.example'] },
      { commands: ['ETRN other.example'] },
      { client: '127.0.0.1', commands: ['ETRN other.example'] },
      { client: 'bad.client.example[192.0.2.1]', commands: ['ETRN here.example'] },
      { helo: 'bad.helo.example', commands: ['ETRN here.example'] },
    ],
  },
  {
    name: 'ETRN, by a table alone, without delay',
    main: {
      smtpd_delay_reject: 'no',
      smtpd_etrn_restrictions: '@etrn@, reject',
    },
    rows: [
      { commands: ['ETRN here.example'] },
      { commands: ['ETRN no.example'] },
      { commands: ['ETRN x.example'] },
    ],
  },
  {
    name: 'certificates where none is asked for',
    main: {
      smtpd_relay_restrictions:
        'permit_tls_clientcerts, permit_tls_all_clientcerts, check_ccert_access @client@, reject_unauth_destination',
    },
    rows: [{}, { recipient: FOREIGN }],
  },
  {
    name: 'bounces to many, with a code of its own',
    main: {
      smtpd_data_restrictions: 'reject_multi_recipient_bounce',
      multi_recipient_bounce_reject_code: '552',
    },
    rows: [
      {
        commands: ['MAIL FROM:<>', 'RCPT TO:<alice@example.com>', 'RCPT TO:<bob@example.com>', 'DATA'],
      },
      { commands: ['MAIL FROM:<>', 'RCPT TO:<alice@example.com>', 'RSET'] },
    ],
  },
];
