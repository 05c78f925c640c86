// Security: nothing that looks local, and is not, may pass; nothing a client claims gives rights.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePath } from './address.ts';
import { type RelayClient, STRANGER, relayVerdict } from './relay.ts';
import type { AddressClass, EnvelopeMailbox } from './ports.ts';

const LOCAL = new Set(['example.com', 'localhost']);
const classify = ({ domain }: EnvelopeMailbox): AddressClass =>
  domain === undefined || LOCAL.has(domain.toLowerCase()) ? 'local' : 'default';
const rules = { allowUntrustedRouting: false, allowPercentHack: true, swapBangpath: true };

function verdictOf(path: string, client: RelayClient = STRANGER, ownRules = rules): string {
  const mailbox = parsePath(path, { strict: false })?.mailbox;
  if (mailbox === undefined) return 'syntax';
  const verdict = relayVerdict(client, mailbox, { classify, rules: ownRules });
  return `${verdict.kind}: ${verdict.because}`;
}

describe('relayVerdict for a stranger', () => {
  it.each([
    ['<alice@example.com>', 'allowed: local'],
    ['<alice@EXAMPLE.com>', 'allowed: local'],
    ['<alice@example.com.>', 'allowed: local'],
    ['<alice>', 'allowed: local'],
    ['<"alice"@example.com>', 'allowed: local'],
    ['<"al ice"@example.com>', 'allowed: local'],
    ['<@remote.example:alice@example.com>', 'allowed: local'],
    ['<carol@remote.example>', 'denied: foreign'],
    ['<carol@remote.example.>', 'denied: foreign'],
    ['<carol@[127.9.9.9]>', 'denied: foreign'],
    ['<carol@[IPv6:::1]>', 'denied: foreign'],
    ['<@example.com:carol@remote.example>', 'denied: foreign'],
    ['<carol@example.com.remote.example>', 'denied: foreign'],
    ['<carol@sub.example.com>', 'denied: foreign'],
    ['<carol%remote.example@example.com>', 'denied: routed'],
    ['<carol%remote.example>', 'denied: routed'],
    ['<"carol%remote.example"@example.com>', 'denied: routed'],
    ['<carol\\%remote.example@example.com>', 'denied: routed'],
    ['<remote.example!carol@example.com>', 'denied: routed'],
    ['<remote.example!carol>', 'denied: routed'],
    ['<"remote.example!carol"@example.com>', 'denied: routed'],
    ['<carol@remote.example@example.com>', 'denied: routed'],
    ['<"carol@remote.example"@example.com>', 'denied: routed'],
    ['<"carol@remote.example">', 'denied: routed'],
    ['<carol\\@remote.example@example.com>', 'denied: routed'],
    ['<carol@remote.example%example.com>', 'syntax'],
    ['<carol@remote.example@>', 'syntax'],
    ['<carol@remote.example\u0000@example.com>', 'syntax'],
    ['<carol@remote.example>@example.com>', 'syntax'],
  ])('%s is %s', (path, expected) => {
    expect(verdictOf(path)).toBe(expected);
  });

  it('never lets a local part that could lead on pass', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }),
        fc.constantFrom('%', '!', '@'),
        fc.string(),
        (before, mark, after) => {
          const verdict = relayVerdict(
            STRANGER,
            { local: `${before}${mark}${after}`, domain: 'example.com' },
            { classify, rules },
          );
          expect(verdict.kind).toBe('denied');
        },
      ),
    );
  });
});

describe('relayVerdict', () => {
  it('lets networks and users of ours send anywhere', () => {
    const path = '<carol%x.example@remote.example>';
    expect(verdictOf(path, { inMyNetworks: true, authenticated: false })).toBe('allowed: network');
    expect(verdictOf(path, { inMyNetworks: false, authenticated: true })).toBe('allowed: authenticated');
  });

  it('follows allow_percent_hack, swap_bangpath and allow_untrusted_routing', () => {
    const off = { ...rules, allowPercentHack: false, swapBangpath: false };
    expect(verdictOf('<a%b@example.com>', STRANGER, off)).toBe('allowed: local');
    expect(verdictOf('<a!b@example.com>', STRANGER, off)).toBe('allowed: local');
    expect(verdictOf('<"a@b"@example.com>', STRANGER, off)).toBe('denied: routed');
    expect(verdictOf('<"a@b"@example.com>', STRANGER, { ...rules, allowUntrustedRouting: true })).toBe(
      'allowed: local',
    );
  });
});
