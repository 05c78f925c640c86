// What the front may have done with mail, decided where it cannot be changed: a name that the front says is looked up in
// the configuration's own tables, as they are now, and becomes an identity and a task. Nothing here is root's: a command
// that would run with root's rights gets default_privs, as in local(8).

import { readFileSync, statSync, chownSync, closeSync, constants, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { type AliasTarget, parseAliasTargets, splitExtension } from '@postcote/aliases';
import { parsePasswd, type UserRecord } from '@postcote/auth';
import { type LookupTable, type PostfixSettings, type TableRegistry, parseTableSpec } from '@postcote/config';
import type { LoadedConfiguration } from '@postcote/config/edge';
import type { OpenDelivery } from '../delivery/protocol.ts';
import type { Account } from '../ipc.ts';
import type { DeliveryTask } from '../local/delivery-task.ts';
import type { PipeService } from '../local/pipe-service.ts';
import { parsePipeService } from '../local/pipe-service.ts';
import { readLockStyles } from '../local/read-settings.ts';
import type { MailboxPlace } from '../local/settings.ts';
import type { FoundAccount } from './accounts.ts';

export type FoundTask =
  | { readonly kind: 'found'; readonly account: Account; readonly task: DeliveryTask }
  | { readonly kind: 'unknownUser'; readonly reason: string }
  /** With its status code: waits (4) or comes back (5). */
  | { readonly kind: 'failed'; readonly dsn: string; readonly reason: string };

export interface DeliveryTasksPorts {
  /** The account, when it may have mail. */
  findAccount(user: string): Promise<FoundAccount>;
  /** Everything runs as whoever started it. */
  readonly ownUid: number | undefined;
  readonly mailbox: MailboxPlace;
  readonly mailOwner: string;
}

const failed = (dsn: string, reason: string): FoundTask => ({ kind: 'failed', dsn, reason });

export class DeliveryTasks {
  readonly #postfix: PostfixSettings;
  readonly #tables: TableRegistry;
  readonly #files: LoadedConfiguration['tableFiles'];
  readonly #ports: DeliveryTasksPorts;
  readonly #pipes: ReadonlyMap<string, PipeService | string>;

  constructor({ postfix, tables, tableFiles, master }: LoadedConfiguration, ports: DeliveryTasksPorts) {
    this.#postfix = postfix;
    this.#tables = tables;
    this.#files = tableFiles;
    this.#ports = ports;
    this.#pipes = new Map(
      (master?.services ?? [])
        .filter(({ type, command }) => type === 'unix' && command === 'pipe')
        .map(({ name, arguments: words }) => [name, parsePipeService(name, words)]),
    );
    // Opened now, so that a table that cannot be read is a complaint of the start.
    for (const name of ['alias_maps', 'mailbox_command_maps']) tables.parameter(postfix, name);
  }

  /** Rejects when a table cannot answer now. */
  async find(open: OpenDelivery): Promise<FoundTask> {
    if ('user' in open) return await this.#findUser(open.user);
    if ('pipe' in open) return this.#findPipe(open.pipe);
    await this.#files.check();
    if ('virtual' in open) return await this.#findVirtual(open.virtual);
    return await this.#findAlias(open);
  }

  async #findUser(user: string): Promise<FoundTask> {
    const found = await this.#ports.findAccount(user);
    if (found.kind === 'none') return { kind: 'unknownUser', reason: found.reason };
    const { account } = found;
    if (this.#postfix.list('mailbox_command_maps').length > 0) {
      await this.#files.check();
      const entry = await this.#tables.parameter(this.#postfix, 'mailbox_command_maps').find(account.name);
      if (entry !== undefined)
        return { kind: 'found', account, task: { kind: 'user', mailboxCommand: entry.value } };
    }
    this.#makeSpoolFile(account);
    return { kind: 'found', account, task: { kind: 'user' } };
  }

  /** POSTFIX: a mailbox in a folder where its owner cannot make files is made for him. */
  #makeSpoolFile(account: Account): void {
    const { kind, path: template } = this.#ports.mailbox;
    if (kind !== 'mbox' || template.startsWith('~') || this.#ports.ownUid !== undefined) return;
    const path = template.replace(/%u$/, account.name).replaceAll('%%', '%');
    try {
      const folder = statSync(dirname(path));
      // Where anybody may make files, anybody may lay traps; the user makes his own there.
      if (folder.uid !== 0 || (folder.mode & 0o002) !== 0) return;
      const fd = openSync(
        path,
        constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
        0o600,
      );
      closeSync(fd);
      chownSync(path, account.uid, account.gid);
    } catch {
      // It is there already, or the delivery says what is wrong.
    }
  }

  #findPipe(name: string): FoundTask {
    const service = this.#pipes.get(name);
    if (service === undefined) return failed('4.3.5', `master.cf has no pipe service ${name}`);
    if (typeof service === 'string') return failed('4.3.5', `pipe service ${name}: ${service}`);
    const user = findByName(service.user);
    if (user === undefined) return failed('4.3.5', `pipe service ${name}: unknown username: ${service.user}`);
    const gid = service.group === '' ? user.gid : findGroup(service.group);
    if (gid === undefined) return failed('4.3.5', `pipe service ${name}: unknown group: ${service.group}`);
    const account = this.#commandsOf({ ...user, gid });
    if (typeof account === 'string') return failed('4.3.5', `pipe service ${name}: ${account}`);
    const timeLimit = this.#postfix.time(`${name}_time_limit`) * 1000;
    return { kind: 'found', account, task: { kind: 'pipe', service, timeLimit } };
  }

  async #findAlias({ alias, what, target }: Extract<OpenDelivery, { alias: string }>): Promise<FoundTask> {
    for (const spec of this.#postfix.list('alias_maps')) {
      const context = { parameter: 'alias_maps', origin: this.#postfix.originOfWord('alias_maps', spec) };
      const table = this.#tables.open(spec, context);
      const entry = await table.find(alias);
      if (entry === undefined) continue;
      const named = parseAliasTargets(entry.value).some((one) => isTarget(one, what, target));
      if (!named) break;
      return this.#rightsOf(spec, { kind: 'alias', alias, what, target, ownRights: false });
    }
    return failed(
      '4.3.5',
      `alias ${alias} no longer names this; requeue the message to have it looked up anew`,
    );
  }

  /** POSTFIX: the alias file's owner, default_privs where that is root; for root's own, the owner of a list. */
  #rightsOf(spec: string, task: Extract<DeliveryTask, { kind: 'alias' }>): FoundTask {
    const parsed = parseTableSpec(spec);
    let owner = 0;
    try {
      if (typeof parsed !== 'string' && parsed.kind === 'file') owner = statSync(parsed.path).uid;
      if (owner === 0 && task.what === 'include') owner = statSync(task.target).uid;
    } catch (error) {
      if (owner !== 0 || task.what !== 'include')
        return failed('4.3.0', `cannot find alias database owner: ${String(error)}`);
      return failed('5.3.5', 'mail system configuration error');
    }
    const record = owner === 0 ? findByName(this.#postfix.string('default_privs')) : findByUid(owner);
    if (record === undefined)
      return failed(
        '4.3.0',
        owner === 0
          ? `default_privs: unknown user ${this.#postfix.string('default_privs')}`
          : `cannot find username for uid ${owner}`,
      );
    const account = this.#commandsOf(record);
    if (typeof account === 'string') return failed('4.3.5', account);
    return { kind: 'found', account, task: { ...task, ownRights: owner !== 0 } };
  }

  // POSTFIX: virtual(8): the three tables by the address, with and without its extension, or by @domain.
  async #findVirtual(address: string): Promise<FoundTask> {
    const base = this.#postfix.string('virtual_mailbox_base');
    const mailbox = await this.#ask('virtual_mailbox_maps', address);
    if (mailbox === undefined) return failed('5.1.1', `unknown user: "${address}"`);
    const uid = readId(await this.#ask('virtual_uid_maps', address));
    const gid = readId(await this.#ask('virtual_gid_maps', address));
    const least = this.#postfix.int('virtual_minimum_uid');
    const path = `${base}/${mailbox}`;
    const fault = !base.startsWith('/')
      ? `virtual_mailbox_base = ${base} is not an absolute path`
      : /(^|\/)\.\.(\/|$)|\0/.test(mailbox)
        ? `bad mailbox path ${mailbox} in virtual_mailbox_maps`
        : uid === undefined || uid < least || uid === 0
          ? `no usable uid in virtual_uid_maps (at least ${least})`
          : gid === undefined || gid === 0
            ? 'no usable gid in virtual_gid_maps'
            : undefined;
    if (fault !== undefined || uid === undefined || gid === undefined)
      return failed('4.3.5', `mail system configuration error: recipient ${address}: ${fault ?? ''}`);
    const account = this.#commandsOf({ name: `uid ${uid}`, uid, gid, home: '/', shell: '' });
    if (typeof account === 'string') return failed('4.3.5', account);
    const sizeLimit = this.#postfix.int('virtual_mailbox_limit');
    const locks = readLockStyles(this.#postfix.list('virtual_mailbox_lock'));
    return { kind: 'found', account, task: { kind: 'virtual', mailbox: path, sizeLimit, locks } };
  }

  async #ask(parameter: string, address: string): Promise<string | undefined> {
    const table: LookupTable = this.#tables.parameter(this.#postfix, parameter);
    const at = address.lastIndexOf('@');
    const [local, domain] = [address.slice(0, at), address.slice(at)];
    const split = splitExtension(local, {
      recipientDelimiter: this.#postfix.string('recipient_delimiter'),
      ownerRequestSpecial: this.#postfix.bool('owner_request_special'),
    });
    const whole = await table.find(address);
    if (whole !== undefined) return whole.value.trim();
    for (const key of [...(split === undefined ? [] : [`${split.user}${domain}`]), domain]) {
      const entry = await table.find(key, 'partial');
      if (entry !== undefined) return entry.value.trim();
    }
    return undefined;
  }

  /** A string says why nothing runs as this account. */
  #commandsOf({ name, uid, gid, home, shell }: UserRecord): Account | string {
    const { ownUid, mailOwner } = this.#ports;
    if (uid === 0 || gid === 0) return `${name} is root, and nothing is run as root`;
    if (name === mailOwner) return `${name} owns the mail system (mail_owner)`;
    if (ownUid !== undefined && ownUid !== uid)
      return `this would run as ${name}, which a server of an ordinary user cannot`;
    return { name: `${name}:${gid} (commands)`, uid, gid, home, shell, commandsOnly: true };
  }
}

function isTarget(one: AliasTarget, what: string, target: string): boolean {
  return one.kind !== 'address' && one.kind !== 'user' && one.kind === what && one.target === target;
}

const readId = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;

function accounts(): ReadonlyMap<string, UserRecord> {
  return parsePasswd(readFileSync('/etc/passwd', 'utf8'));
}

const findByName = (name: string): UserRecord | undefined => accounts().get(name);
const findByUid = (uid: number): UserRecord | undefined =>
  [...accounts().values()].find((record) => record.uid === uid);

function findGroup(name: string): number | undefined {
  for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
    const [group, , gid] = line.split(':');
    if (group === name && gid !== undefined && /^\d{1,10}$/.test(gid)) return Number(gid);
  }
  return undefined;
}
