// What local(8) makes of a recipient of ours: aliases first, then the account.
//
// POSTFIX: the full local part is looked up before the bare one; an alias may name itself, which then means the
// account; a chain of more than 100 aliases is a loop (5.4.6); an `owner-` alias takes the bounces, and what its
// list expands to starts over from `virtual_alias_maps`, as do addresses that are not local. Within one
// recipient nothing is delivered twice.

import { type AliasTarget, parseAliasTargets } from './alias-targets.ts';
import { splitExtension } from './delimiter.ts';
import type { Destination } from './destinations.ts';
import { foldAddress, type FullMailbox, parseMailbox } from './mailbox-address.ts';
import type { AddressTable, TableAnswer } from './ports.ts';
import { formatFull, resolve, rewrite } from './rewrite.ts';
import { type ExpansionContext, MAX_LOOKUPS } from './virtual-expansion.ts';

/** POSTFIX: the depth at which deliver_alias speaks of a loop. */
const MAX_ALIAS_DEPTH = 100;
/** Destinations of one recipient. POSTFIX: has no bound here. */
const MAX_ALIAS_DESTINATIONS = 10_000;

/** A recipient that starts over at `virtual_alias_maps`. */
export interface Resubmitted {
  readonly address: FullMailbox;
  readonly original: string;
  readonly sender?: string;
}

export interface LocalExpansion {
  readonly destinations: readonly Destination[];
  readonly resubmitted: readonly Resubmitted[];
}

interface Work {
  readonly address: FullMailbox;
  readonly depth: number;
  /** The alias this came from: it is not expanded again within itself. */
  readonly from?: string;
  readonly sender?: string;
  /** The list whose `owner-` alias is in force. */
  readonly owned?: string;
  /** `\user`: no aliases. */
  readonly literal?: boolean;
  /** It comes from a .forward file or a list without an owner: bounces stay the sender's, and so does the original. */
  readonly forwarded?: boolean;
}

/** Where the expansion goes on with what a .forward file or a list named. */
export interface ForwardedTargets {
  readonly targets: readonly Extract<AliasTarget, { kind: 'address' | 'user' }>[];
  /** Whose .forward file it was: named in it, that is the mailbox. */
  readonly user?: string;
  /** Goes on to every address, with its delimiter. */
  readonly extension?: string;
}

export interface LocalRecipient {
  /** After `resolve`: its domain is ours. */
  readonly address: FullMailbox;
  readonly deliveredTo: string;
  readonly original: string;
  /** Local recipients on the way here, the last one first. */
  readonly via: readonly string[];
  readonly sender?: string;
}

/** Throws what a table throws. */
export async function expandLocal(
  recipient: LocalRecipient,
  context: ExpansionContext,
  forwarded?: ForwardedTargets,
): Promise<LocalExpansion> {
  return await new LocalRun(recipient, context).run(forwarded);
}

class LocalRun {
  readonly #recipient: LocalRecipient;
  readonly #context: ExpansionContext;
  readonly #destinations: Destination[] = [];
  readonly #resubmitted: Resubmitted[] = [];
  /** What was delivered or expanded already, by key. */
  readonly #seen = new Set<string>();
  /** A stack instead of recursion: the first destination of an alias comes first. */
  readonly #stack: Work[] = [];
  /** Whose .forward file is being expanded. */
  #forwarder: string | undefined;

  constructor(recipient: LocalRecipient, context: ExpansionContext) {
    this.#recipient = recipient;
    this.#context = context;
  }

  async run(forwarded?: ForwardedTargets): Promise<LocalExpansion> {
    const { address, sender } = this.#recipient;
    if (forwarded === undefined)
      this.#stack.push({ address, depth: 0, ...(sender === undefined ? {} : { sender }) });
    else this.#startWith(forwarded);
    for (let work = this.#stack.pop(); work !== undefined; work = this.#stack.pop()) {
      if (this.#context.budget.left-- <= 0) {
        this.#fail(work, {
          permanent: false,
          status: '4.6.0',
          reason: `alias expansion needs more than ${MAX_LOOKUPS} look-ups`,
        });
        break;
      }
      if (this.#destinations.length + this.#resubmitted.length >= MAX_ALIAS_DESTINATIONS) {
        this.#fail(work, {
          permanent: false,
          status: '4.6.0',
          reason: `more than ${MAX_ALIAS_DESTINATIONS} destinations`,
        });
        break;
      }
      await this.#deliver(work);
    }
    return { destinations: this.#destinations, resubmitted: this.#resubmitted };
  }

  /** POSTFIX: the forwarding user counts as the list's owner: other accounts get queue entries of their own. */
  #startWith({ targets, user, extension = '' }: ForwardedTargets): void {
    const { address, sender } = this.#recipient;
    this.#forwarder = user;
    const works = targets.map((target) =>
      this.#follow(target, {
        depth: 1,
        owned: user ?? formatFull(address),
        forwarded: true,
        extension,
        ...(user === undefined ? {} : { from: user }),
        ...(sender === undefined ? {} : { sender }),
      }),
    );
    for (const work of works.reverse()) if (work !== undefined) this.#stack.push(work);
  }

  async #deliver(work: Work): Promise<void> {
    const name = work.address.local.toLowerCase();
    const split = splitExtension(name, this.#context.rules);
    if (work.literal !== true) {
      if (await this.#expandAlias(work, { name, extension: '' })) return;
      if (split !== undefined) {
        const spread = this.#context.rules.propagateUnmatchedExtensions.has('alias');
        const extension = spread ? split.extension : '';
        if (await this.#expandAlias(work, { name: split.user, extension })) return;
      }
    }
    const user = split?.user ?? name;
    // POSTFIX: members of a list with an owner get queue entries of their own.
    if (work.owned !== undefined && work.owned !== user) {
      this.#resubmit(work.address, work);
      return;
    }
    await this.#deliverMailbox(work, { user, extension: split?.extension.slice(1) });
  }

  async #expandAlias(
    work: Work,
    alias: { readonly name: string; readonly extension: string },
  ): Promise<boolean> {
    const { name } = alias;
    if (work.from === name) return false;
    const found = await this.#findAlias(name);
    if (found === undefined) return false;
    const address = formatFull(work.address);
    const targets = parseAliasTargets(found.answer.value);
    this.#context.log.add({
      stage: 'alias',
      address,
      table: found.table,
      key: name,
      ...(found.answer.origin === undefined ? {} : { origin: found.answer.origin }),
      result: found.answer.value,
    });
    if (work.depth >= MAX_ALIAS_DEPTH) {
      this.#fail(work, { permanent: true, status: '5.4.6', reason: `alias database loop for ${name}` });
      return true;
    }
    // By depth: a loop must run into its limit, not end as if nothing were left to do.
    if (!this.#first(`alias ${work.depth} ${name}`)) return true;
    if (targets.length === 0) {
      this.#fail(work, { permanent: false, status: '4.3.5', reason: `alias ${name} names no destination` });
      return true;
    }
    const owner = await this.#findOwner(name);
    const sender = owner ?? work.sender;
    const owned = owner === undefined ? work.owned : name;
    const next = targets.map((target) =>
      this.#follow(target, {
        depth: work.depth + 1,
        from: name,
        extension: alias.extension,
        ...(sender === undefined ? {} : { sender }),
        ...(owned === undefined ? {} : { owned }),
        ...(owner === undefined && work.forwarded === true ? { forwarded: true } : {}),
      }),
    );
    for (const item of next.reverse()) if (item !== undefined) this.#stack.push(item);
    return true;
  }

  async #findAlias(name: string): Promise<{ table: string; answer: TableAnswer } | undefined> {
    for (const table of this.#context.ports.aliasMaps) {
      const answer = await ask(table, name);
      if (answer !== undefined) return { table: table.describe, answer };
    }
    return undefined;
  }

  /** POSTFIX: `owner-LIST`, unless the name is such a name itself; with `expand_owner_alias` what it stands for. */
  async #findOwner(name: string): Promise<string | undefined> {
    const { rules } = this.#context;
    if (rules.ownerRequestSpecial && /^owner-./.test(name)) return undefined;
    const owner = await this.#findAlias(`owner-${name}`);
    if (owner === undefined) return undefined;
    const [target] = rules.expandOwnerAlias ? parseAliasTargets(owner.answer.value) : [];
    const mailbox =
      target?.kind === 'address'
        ? rewrite(target.mailbox, rules)
        : rewrite({ local: `owner-${name}` }, rules);
    const sender = formatFull(mailbox);
    this.#context.log.add({
      stage: 'owner',
      address: name,
      table: owner.table,
      key: `owner-${name}`,
      ...(owner.answer.origin === undefined ? {} : { origin: owner.answer.origin }),
      result: `envelope sender becomes ${sender}`,
    });
    return sender;
  }

  /** One destination of an alias: more work, or an end of its own. */
  #follow(
    target: AliasTarget,
    how: Omit<Work, 'address' | 'literal'> & { readonly extension: string },
  ): Work | undefined {
    const { extension, ...inherited } = how;
    if (target.kind === 'user') {
      return { ...inherited, address: rewrite({ local: target.name }, this.#context.rules), literal: true };
    }
    if (target.kind !== 'address') {
      this.#special(target, how);
      return undefined;
    }
    const full = rewrite(target.mailbox, this.#context.rules);
    const address = extension === '' ? full : { local: full.local + extension, domain: full.domain };
    const resolved = resolve(address, this.#context.rules, this.#context.ports);
    if (resolved.class === 'local') {
      return { ...inherited, address: { local: resolved.local, domain: resolved.domain } };
    }
    this.#resubmit(address, how);
    return undefined;
  }

  async #deliverMailbox(
    work: Work,
    box: { readonly user: string; readonly extension: string | undefined },
  ): Promise<void> {
    const { user, extension } = box;
    if (!this.#first(`mailbox ${user} ${extension ?? ''}`)) return;
    const exists = await this.#context.ports.hasLocalUser(user);
    this.#context.log.add({
      stage: 'user',
      address: formatFull(work.address),
      key: user,
      result: exists ? 'account found' : 'no such account',
    });
    if (!exists) {
      if (await this.#deliverUnknown(work, box)) return;
      // POSTFIX: wording and code of local(8). It drops mail for a postmaster without alias or account; here that
      // is undeliverable like any other, and said so.
      this.#fail(work, { permanent: true, status: '5.1.1', reason: `unknown user: "${user}"` });
      return;
    }
    this.#add({
      kind: 'local',
      user,
      ...(extension === undefined || extension === '' ? {} : { extension }),
      deliveredTo: this.#recipient.deliveredTo,
      ...(work.literal === true || user === this.#forwarder ? { mailbox: true } : {}),
      ...this.#where(),
      ...(work.sender === undefined ? {} : { sender: work.sender }),
    });
  }

  /** POSTFIX: deliver_unknown(3). */
  async #deliverUnknown(
    work: Work,
    box: { readonly user: string; readonly extension: string | undefined },
  ): Promise<boolean> {
    const { user, extension = '' } = box;
    const { local, domain } = work.address;
    const unknown = { user, local: local.toLowerCase(), domain, extension };
    const fate = await this.#context.ports.unknownUser?.(unknown);
    if (fate === undefined) return false;
    const address = formatFull(work.address);
    if (fate.kind === 'transport') {
      const { transport } = fate;
      this.#context.log.add({ stage: 'user', address, key: user, result: `fallback transport ${transport}` });
      const sender = work.sender === undefined ? {} : { sender: work.sender };
      this.#add({ kind: 'transport', address, transport, ...this.#where(), ...sender });
      return true;
    }
    const relay = rewrite(parseMailbox(fate.address), this.#context.rules);
    const name = foldAddress(formatFull(relay));
    // Never round in circles: who is unknown too is not passed on a second time.
    if (name === foldAddress(address) || !this.#first(`luser_relay ${name}`)) return false;
    this.#context.log.add({ stage: 'user', address, key: user, result: `luser_relay ${name}` });
    const { sender, owned, forwarded, depth } = work;
    const next = this.#follow(
      { kind: 'address', mailbox: relay },
      {
        depth: depth + 1,
        extension: '',
        ...(sender === undefined ? {} : { sender }),
        ...(owned === undefined ? {} : { owned }),
        ...(forwarded === undefined ? {} : { forwarded }),
      },
    );
    if (next !== undefined) this.#stack.push(next);
    return true;
  }

  #special(
    { kind, target }: Exclude<AliasTarget, { kind: 'address' | 'user' }>,
    how: Omit<Work, 'address' | 'literal'> & { readonly extension: string },
  ): void {
    const alias = how.from ?? '';
    if (!this.#first(`${kind} ${alias} ${target}`)) return;
    this.#add({
      kind,
      target,
      alias,
      deliveredTo: this.#recipient.deliveredTo,
      ...(kind === 'include' && how.extension !== '' ? { unmatched: how.extension } : {}),
      ...this.#where(),
      ...(how.sender === undefined ? {} : { sender: how.sender }),
    });
  }

  #fail(
    work: Work,
    how: { readonly permanent: boolean; readonly status: string; readonly reason: string },
  ): void {
    this.#add({
      kind: 'undeliverable',
      address: formatFull(work.address),
      ...how,
      ...this.#where(),
      ...(work.sender === undefined ? {} : { sender: work.sender }),
    });
  }

  #resubmit(
    address: FullMailbox,
    how: { readonly sender?: string; readonly owned?: string; readonly forwarded?: boolean },
  ): void {
    const text = formatFull(address);
    if (!this.#first(`indirect ${foldAddress(text)}`)) return;
    this.#context.log.add({ stage: 'resubmit', address: text, result: 'goes on as a recipient of its own' });
    // POSTFIX: a member of a list with an owner is a new original recipient, as its bounces are not the sender's.
    const keeps = how.owned === undefined || how.forwarded === true;
    const original = keeps ? this.#recipient.original : text;
    this.#resubmitted.push({
      address,
      original,
      ...(how.sender === undefined ? {} : { sender: how.sender }),
    });
  }

  #where(): { readonly original: string; readonly via?: readonly string[] } {
    const { original, via } = this.#recipient;
    return via.length === 0 ? { original } : { original, via };
  }

  #add(destination: Destination): void {
    this.#destinations.push(destination);
  }

  #first(key: string): boolean {
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    return true;
  }
}

async function ask(table: AddressTable, name: string): Promise<TableAnswer | undefined> {
  const answer = table.find(name, 'full');
  return answer instanceof Promise ? await answer : answer;
}
