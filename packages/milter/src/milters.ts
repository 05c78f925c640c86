// The filters of one SMTP session, in their order: each is told of an event until one decides, and each sees the message
// as the ones before it left it. POSTFIX: milter.c. One event at a time; nothing rejects.

import type { OpenChannel } from './channel.ts';
import type { Inspected } from './content.ts';
import { type MacroLookup, type MacroSettings, type Stage, lookUpMacros } from './macros.ts';
import { type ConnectFacts, type Macros, Milter } from './milter.ts';
import type { MilterService } from './service.ts';
import type { Verdict } from './verdict.ts';

export interface MiltersOptions {
  readonly services: readonly MilterService[];
  readonly open: OpenChannel;
  readonly macros: MacroSettings;
  readonly lookup: MacroLookup;
  readonly softBounce: boolean;
  warn(text: string): void;
}

type Ask = (milter: Milter) => Promise<Verdict | undefined>;

export class Milters {
  readonly #milters: readonly Milter[];
  readonly #options: MiltersOptions;
  #lookup: MacroLookup;
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: MiltersOptions) {
    this.#options = options;
    this.#lookup = options.lookup;
    this.#milters = options.services.map((service) => new Milter({ ...options, service }));
  }

  /** Opens the connections: a filter that decides keeps those behind it from being asked at all. */
  connect(facts: ConnectFacts): Promise<Verdict | undefined> {
    return this.#each(async (milter) => {
      await milter.open();
      return await milter.connect(facts, await this.#macros(milter, 'connect'));
    });
  }

  helo(name: string): Promise<Verdict | undefined> {
    return this.#each(async (milter) => milter.helo(name, await this.#macros(milter, 'helo')));
  }

  mail(words: readonly string[]): Promise<Verdict | undefined> {
    return this.#each(async (milter) => milter.mail(words, await this.#macros(milter, 'mail')));
  }

  /** `rejected`: refused already; only filters that asked for such recipients hear of it. */
  rcpt(words: readonly string[], options: { readonly rejected?: true } = {}): Promise<Verdict | undefined> {
    return this.#each(async (milter) =>
      options.rejected === true && !milter.wantsRejected
        ? undefined
        : milter.rcpt(words, await this.#macros(milter, 'rcpt')),
    );
  }

  data(): Promise<Verdict | undefined> {
    return this.#each(async (milter) => milter.data(await this.#macros(milter, 'data')));
  }

  unknown(line: string): Promise<Verdict | undefined> {
    return this.#each(async (milter) => milter.unknown(line, await this.#macros(milter, 'unknown')));
  }

  /** What stands against the session as a whole: for commands of which filters are not told. */
  standing(): Verdict | undefined {
    return this.#milters.find(({ standing }) => standing !== undefined)?.standing;
  }

  /** `lookup`: macros as they are once the message is in. */
  message(message: Inspected, lookup: MacroLookup): Promise<Verdict | undefined> {
    return this.#each(async (milter) => {
      this.#lookup = lookup;
      try {
        return await milter.message(message, {
          endOfHeader: await this.#macros(milter, 'endOfHeader'),
          endOfMessage: await this.#macros(milter, 'endOfMessage'),
        });
      } finally {
        this.#lookup = this.#options.lookup;
      }
    });
  }

  abort(): void {
    this.#after(() => {
      for (const milter of this.#milters) milter.abort();
    });
  }

  /** What is under way is finished first: a client that is gone does not take its message back. */
  end(): void {
    this.#after(() => {
      for (const milter of this.#milters) milter.end();
    });
  }

  #each(ask: Ask): Promise<Verdict | undefined> {
    return this.#after(async () => {
      for (const milter of this.#milters) {
        const verdict = await ask(milter);
        if (verdict !== undefined) return verdict;
      }
      return undefined;
    });
  }

  #after<T>(work: () => T | Promise<T>): Promise<T> {
    const result = this.#running.then(work);
    this.#running = result.catch(() => undefined);
    return result;
  }

  async #macros(milter: Milter, stage: Stage): Promise<Macros> {
    const { macros } = this.#options;
    return await lookUpMacros(milter.macroNames(stage, macros), this.#lookup, macros.defaults);
  }
}
