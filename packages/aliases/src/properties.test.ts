import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAddresses } from './addresses.ts';
import { destinationKey } from './destinations.ts';
import { formatMailbox, parseMailbox } from './mailbox-address.ts';
import { testMachine } from './testing/index.ts';
import { MAX_LOOKUPS } from './virtual-expansion.ts';

const name = fc.constantFrom('a', 'b', 'c', 'd', 'a+x', 'owner-a', 'u');
const domain = fc.constantFrom('example.org', 'example.com', 'v.net', 'far.net', 'localhost');
const address = fc.oneof(
  name,
  fc.tuple(name, domain).map((parts) => parts.join('@')),
  domain.map((text) => `@${text}`),
);
const target = fc.oneof(
  address,
  name.map((text) => `\\${text}`),
  fc.constantFrom('|run', '/file', ':include:/x'),
);
const table = fc.dictionary(
  address,
  fc.array(address, { minLength: 1, maxLength: 4 }).map((list) => list.join(', ')),
  { maxKeys: 12 },
);
const aliases = fc.dictionary(
  name,
  fc.array(target, { minLength: 1, maxLength: 4 }).map((list) => list.join(', ')),
  { maxKeys: 7 },
);

describe('expansion of any tables', () => {
  it('ends, is bounded, and names each destination once', async () => {
    await fc.assert(
      fc.asyncProperty(table, aliases, address, async (virtual, names, recipient) => {
        let lookups = 0;
        const { rules, ports } = testMachine({
          virtual: { ...virtual, 'v.net': 'x' },
          aliases: names,
          users: ['a', 'b'],
          // Small limits: what has to be proven is that they are kept.
          rules: { virtualAliasRecursionLimit: 20, virtualAliasExpansionLimit: 50 },
        });
        const counted = ports.virtualAliasMaps.map(({ describe, find }) => ({
          describe,
          find: (key: string) => {
            lookups++;
            return find(key);
          },
        }));
        const { destinations, problem } = await createAddresses(rules, {
          ...ports,
          virtualAliasMaps: counted,
        }).expand(recipient);
        expect(new Set(destinations.map(destinationKey)).size).toBe(destinations.length);
        expect(destinations.length > 0 || problem !== undefined).toBe(true);
        expect(lookups).toBeLessThanOrEqual(MAX_LOOKUPS * 5);
      }),
      { numRuns: 300 },
    );
  });

  it('never takes a recipient elsewhere for one of ours', () => {
    const { rules, ports } = testMachine({ virtual: { 'v.net': 'x' } });
    const addresses = createAddresses(rules, ports);
    const ours = /^(?:host\.example\.org|example\.org|localhost|v\.net)\.?$/i;
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom('a', '@', '%', '!', '.', '"', '\\', ' ', 'example.org', 'far.net', 'localhost'),
        ),
        fc.constantFrom(
          'far.net',
          'sub.example.org',
          'example.org.far.net',
          '[9.9.9.9]',
          'xexample.org',
          '',
          '.',
        ),
        (local, site) => {
          const mailbox = site === '' ? { local: local.join('') } : { local: local.join(''), domain: site };
          const resolved = addresses.resolve(mailbox);
          // What is called ours ends in a domain of ours, and names no other place before it.
          if (resolved.class === 'local') {
            expect(resolved.domain).toMatch(ours);
            expect(/[@]/.test(resolved.local)).toBe(false);
          }
          if (site !== '') expect(resolved.class).toBe('default');
        },
      ),
    );
  });

  it('reads back any recipient it writes', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (local) => {
        const text = formatMailbox({ local, domain: 'example.org' });
        expect(parseMailbox(text)).toEqual({ local, domain: 'example.org' });
      }),
    );
  });
});
