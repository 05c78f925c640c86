import { describe, expect, it } from 'vitest';
import {
  formatAddress,
  formatNetwork,
  networkContains,
  parseIpAddress,
  parseIpNetwork,
} from './ip-address.ts';

describe('ip addresses', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::', '::'],
    ['::1', '::1'],
    ['2001:DB8:0:0:1::1', '2001:db8::1:0:0:1'],
    ['2001:db8::', '2001:db8::'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('%s', (text, expected) => {
    const parsed = parseIpAddress(text);
    expect(parsed === undefined ? undefined : formatAddress(parsed)).toBe(expected);
  });

  it.each([
    '',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4.5',
    ':::',
    '1::2::3',
    '12345::',
    '1:2:3:4:5:6:7:8:9',
    '[::1]',
    'x',
  ])('%j is none', (text) => expect(parseIpAddress(text)).toBeUndefined());

  it.each([
    ['127.0.0.0/8', '127.9.9.9', true],
    ['127.0.0.0/8', '128.0.0.1', false],
    ['[::1]/128', '::1', true],
    ['[2001:db8::]/33', '2001:db8:7fff::1', true],
    ['[2001:db8::]/33', '2001:db8:8000::1', false],
    ['0.0.0.0/0', '9.9.9.9', true],
    ['0.0.0.0/0', '::1', false],
    ['[::ffff:127.0.0.0]/104', '127.0.0.1', true],
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.0/24', '::ffff:192.0.2.9', true],
  ])('%s holds %s: %s', (network, address, expected) => {
    const parsedNetwork = parseIpNetwork(network);
    const parsedAddress = parseIpAddress(address);
    if (typeof parsedNetwork === 'string' || parsedAddress === undefined) throw new Error('unreadable');
    expect(networkContains(parsedNetwork, parsedAddress)).toBe(expected);
  });

  it.each(['1.2.3.4/24', '10.0.0/8', '1.2.3.0/33', '[::1', 'host/24', '::1/129'])('refuses %s', (text) => {
    expect(parseIpNetwork(text)).toBeTypeOf('string');
  });

  it('names the network that was meant', () => {
    expect(parseIpNetwork('1.2.3.4/24')).toContain('1.2.3.0/24');
    const network = parseIpNetwork('[2001:db8::]/32');
    expect(typeof network === 'string' ? network : formatNetwork(network)).toBe('[2001:db8::]/32');
  });
});
