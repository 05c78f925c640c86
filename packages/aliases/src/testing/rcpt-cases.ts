// Recipients and what smtpd says of them. The integration test asks a real Postfix the same.

import { domains, type TestMachine } from './machine.ts';

const LOCAL = 'User unknown in local recipient table';
const VIRTUAL = 'User unknown in virtual alias table';

/** host.example.org with two accounts. */
export const RCPT_MACHINE: TestMachine = {
  virtual: { 'plain@example.com': 'bob', 'example.com': 'x', bare: 'bob', '@catch.net': 'bob' },
  aliases: { bob: 'dan', 'quoted name': 'dan', 'list+x': 'dan' },
  users: ['root', 'dan'],
  ports: { relayDomains: domains('relay.net'), virtualMailboxDomains: domains('box.net') },
};

/** The class, or the class and the text of the refusal. */
export const RCPT_CASES: readonly (readonly [recipient: string, verdict: string])[] = [
  ['bob@example.org', 'local'],
  ['dan@example.org', 'local'],
  ['DAN@EXAMPLE.ORG', 'local'],
  ['dan', 'local'],
  ['dan+x@example.org', 'local'],
  ['dan@example.org.', 'local'],
  ['dan@[127.0.0.1]', 'local'],
  ['dan@[IPv6:::1]', 'local'],
  ['dan@localhost', 'local'],
  ['dan%example.org@host.example.org', 'local'],
  ['"quoted name"@example.org', 'local'],
  ['list+x@example.org', 'local'],
  ['@example.org', 'local'],
  ['postmaster@example.org', 'local'],
  ['Postmaster', 'local'],
  ['mailer-daemon@example.org', 'local'],
  ['nosuch@example.org', `local: ${LOCAL}`],
  ['nosuch', `local: ${LOCAL}`],
  ['list@example.org', `local: ${LOCAL}`],
  ['postmaster+x@example.org', `local: ${LOCAL}`],
  ['"\\\\dan"@example.org', `local: ${LOCAL}`],
  ['plain@example.com', 'virtualAlias'],
  ['plain+x@example.com', 'virtualAlias'],
  ['nosuch@example.com', `virtualAlias: ${VIRTUAL}`],
  ['postmaster@example.com', `virtualAlias: ${VIRTUAL}`],
  ['bare@example.org', 'local'],
  // An @domain key alone does not make a domain ours.
  ['x@catch.net', 'default'],
  ['bare@far.net', 'default'],
  ['dan@sub.example.org', 'default'],
  ['dan@[127.0.0.2]', 'default'],
  ['dan@[9.9.9.9]', 'default'],
  ['u@relay.net', 'relay'],
  ['u@box.net', 'virtualMailbox'],
  ['u%far.net@example.org', 'default'],
  ['far.net!u@example.org', 'default'],
  ['"u@far.net"@example.org', 'default'],
  ['u@far.net@example.org', 'default'],
  ['u%far.net', 'default'],
  ['far.net!u', 'default'],
  ['dan%example.org@far.net', 'default'],
  ['dan@example.org@far.net', 'default'],
  ['example.org!dan@far.net', 'default'],
  ['dan@example.org..', 'default'],
];
