import { describe, expect, it } from 'vitest';
import { findRoute, type TransportRules, type TransportTable } from './transport.ts';

const table = (rows: Readonly<Record<string, string>>): TransportTable => ({
  find: (key) => {
    const value = rows[key.toLowerCase()];
    return value === undefined ? undefined : { value };
  },
});

const RULES: TransportRules = {
  relayhost: '',
  defaultTransport: 'smtp',
  relayTransport: 'relay',
  virtualTransport: 'lmtp:unix:private/lmtp',
  recipientDelimiter: '+',
};

const route = async (
  recipient: string,
  given: Partial<TransportRules> = {},
  how: { sender?: string; class?: 'local' | 'default' | 'relay' | 'virtualMailbox' } = {},
): Promise<string> => {
  const found = await findRoute(
    { recipient, sender: how.sender ?? '', class: how.class ?? 'default' },
    { ...RULES, ...given },
  );
  return found === undefined ? '-' : `${found.transport}:${found.nexthop}`;
};

describe('findRoute', () => {
  const transportMaps = table({
    'u@example.com': 'smtp:[user.example.net]',
    'example.com': 'relay:[relay.example.net]:2525',
    '.example.com': ':[sub.example.net]',
    'gone.example': 'error:5.1.2 gone',
    'same.example': ':',
    'lists.example': 'slow:',
  });
  it.each<[string, Partial<TransportRules>, Parameters<typeof route>[2], string]>([
    ['a@Else.example', {}, {}, 'smtp:else.example'],
    ['a@else.example', { relayhost: '[hub]:587' }, {}, 'smtp:[hub]:587'],
    ['a@relay.example', {}, { class: 'relay' }, 'relay:relay.example'],
    ['a@box.example', { relayhost: '[hub]' }, { class: 'virtualMailbox' }, 'lmtp:unix:private/lmtp'],
    ['u@example.com', { transportMaps }, {}, 'smtp:[user.example.net]'],
    ['u+x@example.com', { transportMaps }, {}, 'smtp:[user.example.net]'],
    ['other@example.com', { transportMaps }, {}, 'relay:[relay.example.net]:2525'],
    ['a@deep.sub.example.com', { transportMaps }, {}, 'smtp:[sub.example.net]'],
    ['a@gone.example', { transportMaps }, {}, 'error:5.1.2 gone'],
    ['a@same.example', { transportMaps, relayhost: '[hub]' }, {}, 'smtp:[hub]'],
    ['a@lists.example', { transportMaps }, {}, 'slow:lists.example'],
    ['a@any.example', { transportMaps: table({ '*': 'smtp:[all]' }) }, {}, 'smtp:[all]'],
    ['a@here', { transportMaps }, { class: 'local' }, '-'],
  ])('%s %#', async (recipient, given, how, expected) =>
    expect(await route(recipient, given, how)).toBe(expected),
  );

  const senderDependentRelayhostMaps = table({
    'me@work.example': '[work]',
    '@home.example': '[home]',
    '@no.example': 'DUNNO',
  });
  it.each([
    ['me@work.example', 'smtp:[work]'],
    ['you@home.example', 'smtp:[home]'],
    ['x@no.example', 'smtp:[hub]'],
    ['', 'smtp:[hub]'],
  ])('from <%s>', async (sender, expected) =>
    expect(await route('a@b.example', { relayhost: '[hub]', senderDependentRelayhostMaps }, { sender })).toBe(
      expected,
    ),
  );
});
