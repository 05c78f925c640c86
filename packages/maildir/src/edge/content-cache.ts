// The contents looked at last, so that many partial fetches of one message read and parse it once. Bounded in
// octets; forgotten when the message goes.

import type { MessageStructure } from '@postcote/mime';
import type { OffsetMap } from '../line-endings.ts';
import type { MessageEntry } from './message-entry.ts';

/** Octets of message text kept. */
const MAX_OCTETS = 4 * 1024 * 1024;
/** Messages kept, whatever their size: structures and maps take room as well. */
const MAX_MESSAGES = 64;

export interface Content {
  /** The whole CRLF form, of a small message. */
  bytes?: Buffer;
  /** Of a large one: where in the file which CRLF offset is. */
  map?: OffsetMap;
  structure?: MessageStructure;
}

export class ContentCache {
  readonly #contents = new Map<MessageEntry, Content>();
  #octets = 0;

  /** What is known of the message; makes it the most recent. */
  get(entry: MessageEntry): Content | undefined {
    const content = this.#contents.get(entry);
    if (!content) return undefined;
    this.#contents.delete(entry);
    this.#contents.set(entry, content);
    return content;
  }

  put(entry: MessageEntry, add: Content): void {
    const content = { ...this.#contents.get(entry), ...add };
    this.forget(entry);
    this.#contents.set(entry, content);
    this.#octets += content.bytes?.length ?? 0;
    for (const oldest of this.#contents.keys()) {
      if (oldest === entry || (this.#octets <= MAX_OCTETS && this.#contents.size <= MAX_MESSAGES)) break;
      this.forget(oldest);
    }
  }

  forget(entry: MessageEntry): void {
    const content = this.#contents.get(entry);
    if (!content) return;
    this.#contents.delete(entry);
    this.#octets -= content.bytes?.length ?? 0;
  }
}
