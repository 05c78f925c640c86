// The cases of the aliases package, put to a real Postfix: what it answers to RCPT, and where mail goes. It
// delivers nothing: every transport discards, and its log says what it would have done.

import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ALIASES,
  RCPT_CASES,
  RCPT_MACHINE,
  SAME_AS_POSTFIX,
  type TestMachine,
  VIRTUAL,
} from '../../packages/aliases/src/testing/index.ts';
import { eventually } from '../support/eventually.ts';
import { LineClient } from '../support/line-client.ts';
import { freePorts, waitForPorts } from '../support/ports.ts';
import { makeTempFolder, type TempFolder } from '../support/temp-folder.ts';
import { ROOT_MISSING } from '../support/world.ts';

const MASTER = `pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
anvil unix - - n - 1 anvil
showq unix n - n - - showq
postlog unix-dgram n - n - 1 postlogd
`;

interface DiscardingPostfix {
  readonly port: number;
  readonly configDir: string;
  log(): string;
  stop(): Promise<void>;
}

async function startDiscardingPostfix(folder: string, machine: TestMachine): Promise<DiscardingPostfix> {
  const configDir = path.join(folder, 'etc');
  const [port = 0] = await freePorts(1);
  for (const name of ['etc', 'spool', 'data']) fs.mkdirSync(path.join(folder, name), { mode: 0o755 });
  execFileSync('chown', ['postfix', path.join(folder, 'data')]);
  const write = (name: string, text: string): void => fs.writeFileSync(path.join(configDir, name), text);
  const rows = Object.entries(machine.virtual ?? {}).map(([key, value]) => `${key} ${value}\n`);
  write('virtual', rows.join(''));
  const aliases = Object.entries(machine.aliases ?? {});
  write('aliases', aliases.map(([key, value]) => `"${key}": ${value}\n`).join(''));
  write('users', (machine.users ?? []).map((user) => `${user} x\n`).join(''));
  write('master.cf', `127.0.0.1:${port} inet n - n - - smtpd\n${MASTER}`);
  const settings = {
    compatibility_level: '3.7',
    queue_directory: path.join(folder, 'spool'),
    data_directory: path.join(folder, 'data'),
    maillog_file: path.join(folder, 'log'),
    maillog_file_prefixes: folder,
    myhostname: 'host.example.org',
    mydomain: 'example.org',
    myorigin: 'example.org',
    mydestination: 'host.example.org, example.org, localhost',
    inet_interfaces: '127.0.0.1, [::1]',
    mynetworks: '192.0.2.1',
    recipient_delimiter: '+',
    virtual_alias_maps: `texthash:${configDir}/virtual`,
    virtual_mailbox_domains: 'box.net',
    relay_domains: 'relay.net',
    alias_maps: `hash:${configDir}/aliases`,
    local_recipient_maps: `texthash:${configDir}/users $alias_maps`,
    default_transport: 'discard:',
    relay_transport: 'discard:',
    virtual_transport: 'discard:',
    mailbox_transport: 'discard:',
    smtpd_error_sleep_time: '0',
    smtpd_soft_error_limit: '1000',
    smtpd_hard_error_limit: '1000',
    unknown_local_recipient_reject_code: '550',
  };
  write(
    'main.cf',
    Object.entries(settings)
      .map(([name, value]) => `${name} = ${value}\n`)
      .join(''),
  );
  // Its complaints about the alias without a destination are part of the case.
  execFileSync('postalias', ['-c', configDir, `hash:${configDir}/aliases`], { stdio: 'ignore' });
  const master = spawn('postfix', ['-c', configDir, 'start-fg'], { stdio: 'ignore', detached: true });
  const log = (): string => {
    try {
      return fs.readFileSync(path.join(folder, 'log'), 'utf8');
    } catch {
      return '';
    }
  };
  await waitForPorts([port], {
    timeoutMs: 20_000,
    alive() {
      if (master.exitCode !== null) throw new Error(`Postfix ended at start:\n${log()}`);
    },
  });
  return {
    port,
    configDir,
    log,
    async stop() {
      const ended = new Promise((resolve) => master.once('exit', resolve));
      process.kill(
        Number(fs.readFileSync(path.join(folder, 'spool/pid/master.pid'), 'utf8').trim()),
        'SIGTERM',
      );
      await ended;
    },
  };
}

/** What became of each recipient, by the address the mail was sent to: as the package's cases write it. */
function readOutcomes(log: string): Map<string, string[]> {
  const outcomes = new Map<string, string[]>();
  for (const line of log.split('\n')) {
    const match =
      /postfix\/(?:discard|error|local)\[.*: to=<([^>]*)>,(?: orig_to=<([^>]*)>,)? .*dsn=([\d.]+), status=(\w+) \((.*)\)$/.exec(
        line,
      );
    if (match === null || match[5]?.startsWith('forwarded as') === true) continue;
    const [, to = '', original = to, dsn = '', status] = match;
    const isOurs = /@(?:host\.example\.org|example\.org|localhost|\[127\.0\.0\.1\])$/i.test(to);
    const shown =
      status === 'bounced' ? `!${dsn} ${to}` : isOurs ? to.replace(/@[^@]*$/, '').toLowerCase() : to;
    outcomes.set(original, [...(outcomes.get(original) ?? []), shown]);
  }
  return outcomes;
}

const missing = ROOT_MISSING;

describe.skipIf(missing !== undefined)(
  `addresses as a real Postfix sees them${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    describe('where mail goes', () => {
      let folder: TempFolder;
      let postfix: DiscardingPostfix;
      let outcomes: Map<string, string[]>;
      // By address, as the log names it: unquoted by sendmail, with its trailing dot.
      const cases = SAME_AS_POSTFIX.filter(([recipient]) => !recipient.includes('"'));

      beforeAll(async () => {
        folder = makeTempFolder('addresses');
        postfix = await startDiscardingPostfix(folder.path, { virtual: VIRTUAL, aliases: ALIASES });
        const recipients = cases.map(([recipient]) => recipient);
        execFileSync('sendmail', ['-C', postfix.configDir, '-i', '-f', '<>', '--', ...recipients], {
          input: 'Subject: test\n\ntext\n',
        });
        await eventually(() => {
          const queue = execFileSync('postqueue', ['-c', postfix.configDir, '-j'], { encoding: 'utf8' });
          expect(queue.trim()).toBe('');
          expect(fs.readdirSync(path.join(folder.path, 'spool/maildrop'))).toEqual([]);
        }, 60_000);
        outcomes = readOutcomes(postfix.log());
      });
      afterAll(async () => {
        await postfix.stop();
        folder.remove();
      });

      it.each(cases)('%s', (recipient, destinations) => {
        expect(outcomes.get(recipient)?.toSorted()).toEqual(destinations.toSorted());
      });
    });

    describe('what RCPT is answered', () => {
      let folder: TempFolder;
      let postfix: DiscardingPostfix;
      let client: LineClient;

      beforeAll(async () => {
        folder = makeTempFolder('rcpt');
        postfix = await startDiscardingPostfix(folder.path, RCPT_MACHINE);
        client = await LineClient.connect({ port: postfix.port });
        await client.line();
        client.send('HELO client.example\r\n');
        await client.line();
        client.send('MAIL FROM:<>\r\n');
        await client.line();
      });
      afterAll(async () => {
        client.close();
        await postfix.stop();
        folder.remove();
      });

      it.each(RCPT_CASES)('%s is %s', async (recipient, verdict) => {
        client.send(`RCPT TO:<${recipient}>\r\n`);
        const reply = await client.line();
        const [addressClass, text] = verdict.split(': ');
        if (text !== undefined)
          expect(reply).toMatch(new RegExp(`^550 5\\.1\\.1 .*: Recipient address rejected: ${text}$`));
        else if (recipient.endsWith('..')) expect(reply).toBe('501 5.1.3 Bad recipient address syntax');
        else if (addressClass === 'default') expect(reply).toMatch(/^454 4\.7\.1 .*: Relay access denied$/);
        else expect(reply).toBe('250 2.1.5 Ok');
      });
    });
  },
);
