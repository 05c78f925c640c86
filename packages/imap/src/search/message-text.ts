// What SEARCH reads of one message, each thing once: header fields with their encoded words decoded, the day of its
// date, and which of the program's texts occur in body and headers.

import type { MessageHandle } from '@postcote/mailbox';
import {
  decodeWords,
  fieldValue,
  findInMessage,
  foldForSearch,
  parseAddressList,
  parseDate,
  parseHeaderFields,
} from '@postcote/mime';
import type { Day } from '../codec/dates.ts';

/** The folded texts a search program looks for, so that one walk through a message answers for all. */
export interface Needles {
  readonly body: readonly string[];
  readonly text: readonly string[];
}

interface Field {
  readonly name: string;
  readonly value: string;
}

const ADDRESS_FIELDS: ReadonlySet<string> = new Set(['from', 'to', 'cc', 'bcc', 'sender', 'reply-to']);

/** `field` in lower case. */
export function isAddressField(field: string): boolean {
  return ADDRESS_FIELDS.has(field);
}

/** The addresses of a field in their plainest form: no comments, no needless quotes and spaces. */
function addressText(value: string): string {
  return parseAddressList(value)
    .map(({ name, mailbox, host }) => {
      const address = host === null ? (mailbox ?? '') : `${mailbox ?? ''}@${host}`;
      return name === null ? address : `${decodeWords(name)} <${address}>`;
    })
    .join(', ');
}

export class MessageText {
  readonly #handle: MessageHandle;
  readonly #needles: Needles;
  #fields: readonly Field[] | undefined;
  readonly #found = new Map<keyof Needles, ReadonlySet<string>>();

  constructor(handle: MessageHandle, needles: Needles) {
    this.#handle = handle;
    this.#needles = needles;
  }

  /** `needle` is folded. An empty one asks whether the field is there. */
  async headerContains(field: string, needle: string): Promise<boolean> {
    for (const { name, value } of await this.#headerFields()) {
      if (name !== field) continue;
      if (needle === '' || foldForSearch(decodeWords(value)).includes(needle)) return true;
      // DOVECOT: addresses are found however they are written.
      if (isAddressField(field) && foldForSearch(addressText(value)).includes(needle)) return true;
    }
    return false;
  }

  async contains(scope: keyof Needles, needle: string): Promise<boolean> {
    let found = this.#found.get(scope);
    if (found === undefined) {
      const structure = await this.#handle.structure();
      found = await findInMessage(this.#handle, structure, { scope, needles: this.#needles[scope] });
      this.#found.set(scope, found);
    }
    return found.has(needle);
  }

  /** The day of `Date:`, without time and zone, as written; undefined where there is none. */
  async sentDay(): Promise<Day | undefined> {
    for (const { name, value } of await this.#headerFields()) {
      if (name !== 'date') continue;
      const date = parseDate(value);
      return date && Date.UTC(date.year, date.month - 1, date.day) / 86_400_000;
    }
    return undefined;
  }

  async #headerFields(): Promise<readonly Field[]> {
    if (this.#fields !== undefined) return this.#fields;
    const header = await this.#handle.header();
    this.#fields = parseHeaderFields(header).map((field) => ({
      name: field.name.toLowerCase(),
      value: fieldValue(header, field),
    }));
    return this.#fields;
  }
}
