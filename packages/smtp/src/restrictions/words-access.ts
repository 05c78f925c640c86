// check_…_access: what a table says of the client, its names, the HELO name, the addresses, the login, and of the
// servers behind a name. POSTFIX: smtpd_check.c: check_namadr_access, check_domain_access, check_mail_access,
// check_server_access, check_sasl_access.

import { isAddressLiteral } from '../address.ts';
import { parseIp } from '../networks.ts';
import type { AccessTable, DnsAnswer } from '../ports.ts';
import { printable } from '../reply.ts';
import { relayVerdict, STRANGER } from '../relay.ts';
import { type Key, addressKeys, domainKeys, findFirst, mailboxAccessKeys } from './access-lookup.ts';
import { type AccessResult, applyAccessResult } from './access-result.ts';
import { once, whenReady } from './look-up-once.ts';
import type { OnPermit, RestrictionInput, RestrictionWord, Subject, WordVerdict } from './types.ts';

type MaybePromise<T> = T | Promise<T>;

const pass = (saw: string): WordVerdict => ({ kind: 'pass', saw });

interface Check {
  readonly input: RestrictionInput;
  readonly table: AccessTable;
  readonly subject: Subject;
  readonly onPermit?: OnPermit;
}

/** Asks the table; undefined when it has nothing. */
function ask(check: Check, keys: readonly Key[], datum: string): MaybePromise<WordVerdict | undefined> {
  const { input, table, subject, onPermit } = check;
  const result = (value: string): AccessResult => ({
    value,
    subject,
    table: table.describe,
    datum,
    ...(onPermit === undefined ? {} : { onPermit }),
  });
  return whenReady(findFirst(table, keys), (answer) => {
    switch (answer.kind) {
      case 'missing':
        return undefined;
      case 'found':
        return applyAccessResult(result(answer.value), input);
      case 'failed': {
        const verdict = applyAccessResult(result('451 4.3.5 Server configuration error'), input);
        return {
          ...verdict,
          warnings: [`${table.describe} lookup error for "${printable(datum)}": ${answer.reason}`],
        };
      }
    }
  });
}

function nothingFound(check: Check, what: string): WordVerdict {
  return pass(`${check.table.describe} has no entry for ${printable(what)}`);
}

const NO_TABLE: WordVerdict = {
  kind: 'fault',
  saw: 'no table',
  warnings: ['an access check without a table'],
};

type CheckRun = (check: Check, own: Subject) => MaybePromise<WordVerdict>;

function accessWord(
  word: string,
  needs: RestrictionWord['needs'],
  run: CheckRun,
  cost: RestrictionWord['cost'] = 'free',
): RestrictionWord {
  return {
    word,
    cost,
    needs,
    argument: 'required',
    run(input, subject, _, item) {
      const table = item?.table;
      return table === undefined ? NO_TABLE : run({ input, table, subject }, subject);
    },
  };
}

// ---- Names, addresses, mailboxes ---------------------------------------------------------------------------------

const clientAccess = accessWord(
  'check_client_access',
  'nothing',
  (check) =>
    whenReady(check.input.clientName(), (client) => {
      const { clientAddress, settings } = check.input;
      const subject = { name: `${client.name}[${clientAddress}]`, label: 'Client host' };
      const keys = [...domainKeys(client.name, settings), ...addressKeys(clientAddress)];
      return whenReady(
        ask({ ...check, subject }, keys, clientAddress),
        (verdict) => verdict ?? nothingFound(check, subject.name),
      );
    }),
  'dns',
);

const reverseClientAccess = accessWord(
  'check_reverse_client_hostname_access',
  'nothing',
  (check) =>
    whenReady(check.input.clientName(), ({ reverseName }) => {
      const { clientAddress, settings } = check.input;
      const keys = [...domainKeys(reverseName, settings), ...addressKeys(clientAddress)];
      const subject = { name: reverseName, label: 'Unverified Client host' };
      const onPermit: OnPermit = {
        kind: 'forbid',
        word: 'check_reverse_client_hostname_access',
        target: reverseName,
      };
      return whenReady(
        ask({ ...check, subject, onPermit }, keys, reverseName),
        (verdict) => verdict ?? nothingFound(check, reverseName),
      );
    }),
  'dns',
);

const heloAccess = accessWord('check_helo_access', 'helo', (check) => {
  const helo = check.input.helo ?? '';
  const subject = { name: helo, label: 'Helo command' };
  return whenReady(
    ask({ ...check, subject }, domainKeys(helo, check.input.settings), helo),
    (verdict) => verdict ?? nothingFound(check, helo),
  );
});

const senderAccess = accessWord('check_sender_access', 'sender', (check) => {
  const { sender, settings } = check.input;
  const subject = { name: sender?.display ?? '', label: 'Sender address' };
  const mailbox = sender?.mailbox;
  const keys: readonly Key[] =
    mailbox === undefined ? [[settings.nullAccessLookupKey, 'full']] : mailboxAccessKeys(mailbox, settings);
  return whenReady(
    ask({ ...check, subject }, keys, sender?.address ?? ''),
    (verdict) => verdict ?? nothingFound(check, subject.name),
  );
});

const recipientAccess = accessWord('check_recipient_access', 'recipient', (check) => {
  const { recipient, settings, addresses } = check.input;
  const mailbox = recipient?.mailbox;
  if (recipient === undefined || mailbox === undefined) return pass('no recipient');
  const subject = { name: recipient.display, label: 'Recipient address' };
  const verdict = relayVerdict(STRANGER, mailbox, {
    classify: (m) => addresses.classify(m),
    rules: settings,
  });
  // POSTFIX: an address that is routed through us is too suspicious for an OK.
  const isRouted = verdict.kind === 'denied' && verdict.because === 'routed';
  return whenReady(
    ask(
      { ...check, subject, ...(isRouted ? { onPermit: { kind: 'distrust' } as const } : {}) },
      mailboxAccessKeys(mailbox, settings),
      recipient.address,
    ),
    (found) => found ?? nothingFound(check, recipient.display),
  );
});

const saslAccess = accessWord('check_sasl_access', 'nothing', (check) => {
  const { login, settings } = check.input;
  if (!settings.saslAuthEnable || login === undefined) return pass('not authenticated');
  const subject = { name: printable(login.user).replaceAll('?', '_'), label: 'SASL login name' };
  return whenReady(
    ask({ ...check, subject }, [[login.user, 'full']], login.user),
    (verdict) => verdict ?? nothingFound(check, login.user),
  );
});

const etrnAccess = accessWord('check_etrn_access', 'etrn', (check) => {
  const domain = check.input.etrn ?? '';
  const subject = { name: domain, label: 'Etrn command' };
  return whenReady(
    ask({ ...check, subject }, domainKeys(domain, check.input.settings), domain),
    (verdict) => verdict ?? nothingFound(check, domain),
  );
});

// ---- The servers behind a name -----------------------------------------------------------------------------------

type ServerType = 'mx' | 'ns' | 'a';

/** POSTFIX: dns_rr_list_limit, introduced against names with endless addresses. */
const MAX_SERVER_ADDRESSES = 100;
const MAX_SERVERS = 100;

interface ServerCheck extends Check {
  readonly type: ServerType;
}

function serverWord(
  word: string,
  needs: RestrictionWord['needs'],
  type: ServerType,
  targetOf: (input: RestrictionInput) => MaybePromise<ServerTarget | undefined>,
): RestrictionWord {
  return accessWord(
    word,
    needs,
    (check) =>
      whenReady(targetOf(check.input), (target) => {
        if (target === undefined) return pass('nothing to ask about');
        const onPermit: OnPermit = { kind: 'forbid', word, target: target.subject.name };
        return checkServers({ ...check, subject: target.subject, onPermit, type }, target.domain);
      }),
    'dns',
  );
}

interface ServerTarget {
  readonly domain: string;
  readonly subject: Subject;
}

async function checkServers(check: ServerCheck, domain: string): Promise<WordVerdict> {
  if (domain.startsWith('[')) return checkLiteral(check, domain);
  const servers = await serversOf(check, domain);
  if (!Array.isArray(servers)) return servers as WordVerdict;
  const warnings: string[] = [];
  let asked = 0;
  for (const server of servers.slice(0, MAX_SERVERS)) {
    if (parseIp(server) !== undefined) {
      const verdict = await ask(check, addressKeys(server), server);
      if (verdict !== undefined) return withWarnings(verdict, warnings);
      continue;
    }
    if (check.type !== 'a') {
      const verdict = await ask(check, domainKeys(server, check.input.settings), server);
      if (verdict !== undefined) return withWarnings(verdict, warnings);
    }
    const answer = await once<string>(check.input, `a:${server}`, () => check.input.dns.addresses(server));
    if (answer.kind !== 'found') {
      if (check.type !== 'a') warnings.push(lookUpWarning(check, server, answer));
      continue;
    }
    for (const address of answer.records) {
      if (++asked > MAX_SERVER_ADDRESSES) return withWarnings(pass('too many addresses'), warnings);
      const verdict = await ask(check, addressKeys(address), address);
      if (verdict !== undefined) return withWarnings(verdict, warnings);
    }
  }
  return withWarnings(nothingFound(check, `the servers of ${domain}`), warnings);
}

async function checkLiteral(check: ServerCheck, literal: string): Promise<WordVerdict> {
  // POSTFIX: an address is its own mail exchange; nobody serves its names.
  if (check.type === 'ns' || !isAddressLiteral(literal)) return pass(`${literal} has no servers`);
  const address = literal.slice(1, -1).replace(/^ipv6:/i, '');
  return (await ask(check, addressKeys(address), address)) ?? nothingFound(check, literal);
}

/** Names of the servers, or the verdict where there are none to judge. */
async function serversOf(check: ServerCheck, domain: string): Promise<readonly string[] | WordVerdict> {
  const { dns } = check.input;
  if (check.type === 'a') return [domain];
  if (check.type === 'mx') {
    const answer = await once(check.input, `mx:${domain}`, () => dns.mx(domain));
    if (answer.kind === 'found') {
      const names = answer.records
        .map(({ exchange }) => exchange)
        .filter((name) => name !== '' && name !== '.');
      return names.length === 0 ? pass(`${domain} has a null MX`) : names;
    }
    // POSTFIX: a name without an MX record is its own, whether it exists or not.
    return answer.kind === 'absent' ? [domain] : notLookedUp(check, domain, answer);
  }
  let name = domain;
  for (;;) {
    const answer = await once<string>(check.input, `ns:${name}`, () => nameServers(dns, name));
    if (answer.kind === 'found') return answer.records;
    const dot = name.indexOf('.');
    if (answer.kind === 'failed' || dot === -1 || dot === name.length - 1)
      return notLookedUp(check, name, answer);
    name = name.slice(dot + 1);
  }
}

function nameServers(dns: RestrictionInput['dns'], name: string): Promise<DnsAnswer<string>> {
  return dns.ns?.(name) ?? Promise.resolve({ kind: 'failed', reason: 'name servers cannot be asked for' });
}

function notLookedUp(check: ServerCheck, name: string, answer: DnsAnswer<unknown>): WordVerdict {
  const text = `Unable to look up ${check.type.toUpperCase()} host for ${name}: ${reasonOf(answer)}`;
  return { kind: 'pass', saw: text, warnings: [text] };
}

function lookUpWarning(check: ServerCheck, server: string, answer: DnsAnswer<unknown>): string {
  const { type, subject } = check;
  return `Unable to look up ${type.toUpperCase()} host ${server} for ${subject.label} ${subject.name}: ${reasonOf(answer)}`;
}

const reasonOf = (answer: DnsAnswer<unknown>): string =>
  answer.kind === 'failed' ? answer.reason : 'Host not found';

function withWarnings(verdict: WordVerdict, warnings: readonly string[]): WordVerdict {
  return warnings.length === 0
    ? verdict
    : { ...verdict, warnings: [...warnings, ...(verdict.warnings ?? [])] };
}

const clientTarget = (input: RestrictionInput): MaybePromise<ServerTarget | undefined> =>
  whenReady(input.clientName(), ({ name }) =>
    name === 'unknown'
      ? undefined
      : { domain: name, subject: { name: `${name}[${input.clientAddress}]`, label: 'Client host' } },
  );

const reverseClientTarget = (input: RestrictionInput): MaybePromise<ServerTarget | undefined> =>
  whenReady(input.clientName(), ({ reverseName }) =>
    reverseName === 'unknown'
      ? undefined
      : { domain: reverseName, subject: { name: reverseName, label: 'Unverified Client host' } },
  );

const heloTarget = ({ helo }: RestrictionInput): ServerTarget | undefined =>
  helo === undefined || helo === ''
    ? undefined
    : { domain: helo, subject: { name: helo, label: 'Helo command' } };

const addressTarget =
  (role: 'sender' | 'recipient', label: string) =>
  (input: RestrictionInput): ServerTarget | undefined => {
    const path = input[role];
    if (path?.mailbox === undefined) return undefined;
    // POSTFIX: an address without a domain is taken for a name.
    const domain = path.mailbox.domain ?? path.display;
    return { domain, subject: { name: path.display, label } };
  };

const SERVER_TYPES: readonly ServerType[] = ['mx', 'ns', 'a'];

export const ACCESS_WORDS: readonly RestrictionWord[] = [
  clientAccess,
  reverseClientAccess,
  heloAccess,
  senderAccess,
  recipientAccess,
  saslAccess,
  etrnAccess,
  ...SERVER_TYPES.flatMap((type) => [
    serverWord(`check_client_${type}_access`, 'nothing', type, clientTarget),
    serverWord(`check_reverse_client_hostname_${type}_access`, 'nothing', type, reverseClientTarget),
    serverWord(`check_helo_${type}_access`, 'helo', type, heloTarget),
    serverWord(`check_sender_${type}_access`, 'sender', type, addressTarget('sender', 'Sender address')),
    serverWord(
      `check_recipient_${type}_access`,
      'recipient',
      type,
      addressTarget('recipient', 'Recipient address'),
    ),
  ]),
];
