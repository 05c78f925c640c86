// From a recipient to its destinations: `virtual_alias_maps`, the address class, then aliases and accounts for
// what is ours; members of lists and addresses elsewhere go round again, as Postfix's forwarded mail does.
//
// Terminates: the rounds form a tree in which no branch passes one local recipient twice (what Postfix detects by
// `Delivered-To:`), and all rounds together share one budget of look-ups.

import { findAddress } from './address-lookup.ts';
import { type Destination, destinationKey } from './destinations.ts';
import {
  expandLocal,
  type ForwardedTargets,
  type LocalExpansion,
  type Resubmitted,
} from './local-expansion.ts';
import { formatMailbox, foldAddress, type FullMailbox, parseMailbox } from './mailbox-address.ts';
import type { AddressPorts, AddressRules, EnvelopeMailbox } from './ports.ts';
import { formatFull, resolve, type Resolved, rewrite } from './rewrite.ts';
import { type ExpansionStep, StepLog } from './steps.ts';
import {
  type ExpansionContext,
  type ExpansionProblem,
  expandVirtual,
  MAX_LOOKUPS,
  type VirtualExpansion,
} from './virtual-expansion.ts';

export interface Expansion {
  /** In order, each once; empty when there is a `problem`. */
  readonly destinations: readonly Destination[];
  readonly steps: readonly ExpansionStep[];
  /** The recipient as a whole has to wait: answer 451 with this status, or keep the mail. */
  readonly problem?: ExpansionProblem;
}

export interface ExpandOptions {
  /** False: the recipient itself is not looked up in `virtual_alias_maps` (what it is forwarded to, is). */
  readonly virtual?: boolean;
  /** False: nothing but `virtual_alias_maps` is looked at; every address is somebody else's to deliver. */
  readonly deliver?: boolean;
}

interface Round {
  readonly address: FullMailbox;
  readonly original: string;
  readonly sender?: string;
  /** Local recipients on the way here, the last one first. */
  readonly via: readonly string[];
}

/** Never throws. */
export async function expand(
  recipient: EnvelopeMailbox | string,
  { rules, ports }: { readonly rules: AddressRules; readonly ports: AddressPorts },
  options: ExpandOptions = {},
): Promise<Expansion> {
  const run = new ExpansionRun(recipient, { rules, ports }, options);
  try {
    return await run.run();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return run.fail({ kind: 'unavailable', status: '4.3.0', reason });
  }
}

/** A recipient of ours whose delivery found other addresses in its place. */
export interface ForwardedRecipient extends ForwardedTargets {
  /** The local recipient as `Delivered-To:` names it. */
  readonly deliveredTo: string;
  readonly original: string;
  /** Who passed the mail on before, the last one first. */
  readonly via: readonly string[];
  readonly sender?: string;
}

/** What the addresses of a .forward file or a list come to. Never throws. */
export async function expandForwarded(
  forwarded: ForwardedRecipient,
  world: { readonly rules: AddressRules; readonly ports: AddressPorts },
): Promise<Expansion> {
  const run = new ExpansionRun(forwarded.deliveredTo, world, {});
  try {
    return await run.runForwarded(forwarded);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return run.fail({ kind: 'unavailable', status: '4.3.0', reason });
  }
}

class ExpansionRun {
  readonly #context: ExpansionContext;
  readonly #mailbox: EnvelopeMailbox;
  readonly #original: string;
  readonly #found = new Map<string, Destination>();

  readonly #options: ExpandOptions;

  constructor(
    recipient: EnvelopeMailbox | string,
    { rules, ports }: { readonly rules: AddressRules; readonly ports: AddressPorts },
    options: ExpandOptions,
  ) {
    this.#options = options;
    this.#context = { rules, ports, log: new StepLog(), budget: { left: MAX_LOOKUPS } };
    this.#mailbox = typeof recipient === 'string' ? parseMailbox(recipient) : recipient;
    this.#original = typeof recipient === 'string' ? recipient : formatMailbox(recipient);
  }

  fail(problem: ExpansionProblem): Expansion {
    const { log } = this.#context;
    const stage = problem.kind === 'unavailable' ? 'table' : 'limit';
    log.add({ stage, address: this.#original, result: problem.reason });
    return { destinations: [], steps: log.steps, problem };
  }

  async run(): Promise<Expansion> {
    const { rules, log } = this.#context;
    const start = rewrite(this.#mailbox, rules);
    if (formatFull(start) !== this.#original) {
      log.add({ stage: 'rewrite', address: this.#original, result: formatFull(start) });
    }
    return await this.#runRounds([{ address: start, original: this.#original, via: [] }]);
  }

  async runForwarded(forwarded: ForwardedRecipient): Promise<Expansion> {
    const { deliveredTo, original, via, sender } = forwarded;
    const address = rewrite(parseMailbox(deliveredTo), this.#context.rules);
    const round = { address, original, via, ...(sender === undefined ? {} : { sender }) };
    const expanded = await expandLocal({ ...round, deliveredTo }, this.#context, forwarded);
    return await this.#runRounds(this.#take(expanded, [deliveredTo, ...via]));
  }

  async #runRounds(rounds: Round[]): Promise<Expansion> {
    for (let round = rounds.shift(); round !== undefined; round = rounds.shift()) {
      const asItIs = this.#options.virtual === false && round.via.length === 0;
      const expanded: VirtualExpansion = asItIs
        ? { kind: 'addresses', addresses: [round.address] }
        : await expandVirtual(round.address, this.#context);
      if (expanded.kind === 'problem') {
        if (round.via.length === 0) return this.fail(expanded.problem);
        this.#undeliverable(round, { permanent: false, ...expanded.problem });
        continue;
      }
      for (const address of expanded.addresses) rounds.push(...(await this.#deliver(address, round)));
    }
    return { destinations: [...this.#found.values()], steps: this.#context.log.steps };
  }

  async #deliver(address: FullMailbox, round: Round): Promise<Round[]> {
    const { rules, ports, log } = this.#context;
    if (this.#options.deliver === false) {
      this.#add({ kind: 'remote', address: formatFull(address), class: 'default', ...provenanceOf(round) });
      return [];
    }
    const resolved = resolve(address, rules, ports);
    log.add({ stage: 'class', address: formatFull(address), result: describeClass(resolved) });
    const here: Round = { ...round, address: { local: resolved.local, domain: resolved.domain } };
    // POSTFIX: moved users' mail comes back, whatever the class of their domain.
    const moved = await findAddress(resolved, ports.relocatedMaps ?? [], { rules, ports });
    if (moved !== undefined) {
      const reason = `User has moved to ${moved.value}`;
      this.#undeliverable(here, { permanent: true, status: '5.1.6', reason });
      return [];
    }
    if (resolved.class === 'virtualAlias') {
      this.#undeliverable(here, {
        permanent: true,
        status: '5.1.1',
        reason: rules.showUserUnknownTableName ? 'User unknown in virtual alias table' : 'User unknown',
      });
      return [];
    }
    if (resolved.class !== 'local') {
      const text = formatFull(here.address);
      this.#add({
        kind: 'remote',
        address: text,
        class: resolved.class,
        ...provenanceOf(round),
      });
      return [];
    }
    return await this.#deliverLocal(here);
  }

  async #deliverLocal(round: Round): Promise<Round[]> {
    const deliveredTo = formatFull(round.address);
    if (round.via.some((earlier) => foldAddress(earlier) === foldAddress(deliveredTo))) {
      const reason = `mail forwarding loop for ${deliveredTo}`;
      this.#context.log.add({ stage: 'limit', address: deliveredTo, result: reason });
      this.#undeliverable(round, { permanent: true, status: '5.4.6', reason });
      return [];
    }
    const expanded = await expandLocal({ ...round, deliveredTo }, this.#context);
    return this.#take(expanded, [deliveredTo, ...round.via]);
  }

  #take({ destinations, resubmitted }: LocalExpansion, via: readonly string[]): Round[] {
    for (const destination of destinations) this.#add(destination);
    return resubmitted.map((next: Resubmitted) => ({ ...next, via }));
  }

  #undeliverable(
    round: Round,
    how: { readonly permanent: boolean; readonly status: string; readonly reason: string },
  ): void {
    this.#add({
      kind: 'undeliverable',
      address: formatFull(round.address),
      permanent: how.permanent,
      status: how.status,
      reason: how.reason,
      ...provenanceOf(round),
    });
  }

  #add(destination: Destination): void {
    const key = destinationKey(destination);
    if (!this.#found.has(key)) this.#found.set(key, destination);
  }
}

const provenanceOf = ({ original, via, sender }: Round) => ({
  original,
  ...(via.length === 0 ? {} : { via }),
  ...(sender === undefined ? {} : { sender }),
});

const CLASS_TEXTS = {
  local: 'local (mydestination or one of our addresses)',
  virtualAlias: 'virtual alias domain without an entry for this address',
  virtualMailbox: 'virtual mailbox domain',
  relay: 'relay domain',
  default: 'elsewhere',
} as const;

function describeClass(resolved: Resolved): string {
  const way = resolved.routed ? `, routed to ${formatFull(resolved)}` : '';
  return `${CLASS_TEXTS[resolved.class]}${way}`;
}
