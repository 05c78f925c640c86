import { describe, expect, it } from 'vitest';
import { makeMemorySystem, type MemoryMachine } from '../testing/index.ts';
import { planListeners, portOf, splitService, type ListenerPlan } from './listeners.ts';
import { parseMainCf } from './main-cf.ts';
import { parseMasterCf } from './master-cf.ts';
import { PostfixSettings } from './postfix-settings.ts';

function plan(mainText: string, masterText: string | undefined, machine: MemoryMachine = {}): ListenerPlan {
  const system = makeMemorySystem(machine);
  const settings = new PostfixSettings({ main: parseMainCf('main.cf', mainText), system });
  return planListeners(
    settings,
    masterText === undefined ? undefined : parseMasterCf('master.cf', masterText),
    system,
  );
}

const endpoints = ({ listeners }: ListenerPlan): string[] =>
  listeners.map(({ address, port, implicitTls }) => `${address} ${port}${implicitTls ? ' tls' : ''}`);

describe('planListeners', () => {
  it('serves port 25 without a master.cf', () => {
    expect(endpoints(plan('', undefined))).toEqual(['0.0.0.0 25', ':: 25']);
  });

  it('makes each smtpd row a listener with its own settings', () => {
    const planned = plan(
      'inet_protocols = ipv4',
      `smtp inet n - y - - smtpd
submission inet n - y - - smtpd
  -o syslog_name=postfix/submission -o smtpd_tls_security_level=encrypt
smtps inet n - y - - smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:10025 inet n - y - - smtpd
smtp unix - - y - - smtp
628 inet n - y - - qmqpd
`,
    );
    expect(endpoints(planned)).toEqual(['0.0.0.0 25', '0.0.0.0 587', '0.0.0.0 465 tls', '127.0.0.1 10025']);
    expect(planned.listeners[1]).toMatchObject({ service: 'submission', syslogName: 'postfix/submission' });
    expect(planned.listeners[1]?.settings.known.smtpdTlsSecurityLevel).toBe('encrypt');
    expect(planned.listeners[0]?.settings.known.smtpdTlsSecurityLevel).toBe('');
    expect(planned.problems).toEqual([
      expect.objectContaining({ severity: 'notice', line: 7, value: 'qmqpd' }),
    ]);
  });

  it('gives postscreen’s port the settings of the smtpd behind it', () => {
    const planned = plan(
      '',
      'smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd -o smtpd_helo_required=yes\ndnsblog unix - - y - 0 dnsblog\n',
    );
    expect(planned.listeners[0]).toMatchObject({ port: 25, behindPostscreen: true });
    expect(planned.listeners[0]?.settings.known.smtpdHeloRequired).toBe(true);
  });

  it.each([
    ['inet_interfaces = loopback-only', ['127.0.0.1 25', '::1 25']],
    ['inet_interfaces = 192.0.2.9, [::1]', ['192.0.2.9 25', '::1 25']],
    ['inet_interfaces = localhost\ninet_protocols = ipv4', ['127.0.0.1 25']],
    ['inet_protocols = ipv6', [':: 25']],
  ])('%j', (text, expected) => {
    const planned = plan(text, undefined, { hosts: { localhost: ['127.0.0.1', '::1'] } });
    expect(endpoints(planned)).toEqual(expected);
    expect(planned.problems).toEqual([]);
  });

  it.each([
    ['inet_interfaces = nowhere', undefined, 'inet_interfaces'],
    ['inet_protocols = ipv5', undefined, 'inet_protocols'],
    ['', 'nonsense inet n - y - - smtpd', 'nonsense'],
    ['', 'nowhere:25 inet n - y - - smtpd', 'nowhere:25'],
  ])('refuses %j with %j', (mainText, masterText, name) => {
    expect(plan(mainText, masterText).problems).toEqual([
      expect.objectContaining({ severity: 'refuse', name, line: 1 }),
    ]);
  });

  it('leaves IPv6 out where there is none', () => {
    const interfaces = [{ address: '127.0.0.1', prefixLength: 8, isLoopback: true }];
    expect(endpoints(plan('', undefined, { interfaces }))).toEqual(['0.0.0.0 25']);
  });
});

describe('names and ports', () => {
  it.each([
    ['smtp', 25],
    ['submissions', 465],
    ['10025', 10_025],
    ['0', undefined],
    ['70000', undefined],
    ['x', undefined],
  ])('port %s', (name, port) => expect(portOf(name)).toBe(port));

  it.each([
    ['smtp', '', 'smtp'],
    ['127.0.0.1:smtp', '127.0.0.1', 'smtp'],
    ['[::1]:587', '::1', '587'],
    ['::1:smtp', '::1', 'smtp'],
  ])('service %s', (name, host, portName) => expect(splitService(name)).toEqual({ host, portName }));
});
