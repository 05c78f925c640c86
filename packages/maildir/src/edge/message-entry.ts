// One message of a folder as its files say: a record of the uidlist and, while it exists, the file's present name.

import type { FlagSet } from '@postcote/mailbox';
import type { Info } from '../file-name.ts';
import { parseSizes } from '../file-name.ts';
import { recordField } from '../uidlist.ts';

/** Where a message's file is. */
export const ABSENT = 0;
export const NEW = 1;
export const CUR = 2;
export type Place = typeof ABSENT | typeof NEW | typeof CUR;

/** A name's end, parsed once per distinct text and folder. */
export interface InfoValue {
  readonly text: string;
  readonly info: Info;
  /** Follows the folder's keyword table. */
  flags: FlagSet;
}

export class MessageEntry {
  readonly uid: number;
  readonly base: string;
  /** The record's fields, as `formatUidlistRecord` takes them. */
  fields: string;
  info: InfoValue;
  place: Place = ABSENT;
  /** In the folder's list of messages. */
  live = false;
  /** Was live and is gone: if a file of this base comes back, it is another message. */
  dead = false;
  /** The scan that saw the file last. */
  generation = 0;
  /** As fstat said; -1 when nobody asked yet. */
  rawSize = -1;
  crlfSize = -1;
  /** `crlfSize` was counted, not taken from a hint. */
  counted = false;
  /** The size that was given out on the word of a hint; -1 when none was. */
  toldSize = -1;
  mtimeMs = -1;
  /** What the folder's journal knows; undefined while it does not know the message. */
  savedInfo: InfoValue | undefined;
  savedPlace: Place = ABSENT;
  savedSizes = 0;

  constructor(uid: number, fields: string, base: string, info: InfoValue) {
    this.uid = uid;
    this.fields = fields;
    this.base = base;
    this.info = info;
  }

  get guid(): string {
    return recordField(this.fields, 'G') ?? this.base;
  }

  /** The journal knows it as it is now. */
  get isSaved(): boolean {
    return (
      this.savedInfo === this.info && this.savedPlace === this.place && this.savedSizes === this.#known()
    );
  }

  markSaved(): void {
    this.savedInfo = this.info;
    this.savedPlace = this.place;
    this.savedSizes = this.#known();
  }

  /** Which sizes and dates are known: more with time, and then the same for good. */
  #known(): number {
    return (
      (this.rawSize === -1 ? 0 : 1) +
      (this.mtimeMs === -1 ? 0 : 2) +
      (this.crlfSize === -1 ? 0 : 4) +
      (this.counted ? 8 : 0)
    );
  }

  /** What the name or the record says the CRLF size is, if that can be true of a file of `rawSize` octets. */
  hintedSize(rawSize: number): number | undefined {
    const named = parseSizes(this.base);
    const recorded = {
      size: number(recordField(this.fields, 'S')),
      crlfSize: number(recordField(this.fields, 'W')),
    };
    // A record with both was counted; it stands above a name, which cannot be corrected.
    if (recorded.size === rawSize && recorded.crlfSize !== undefined)
      return plausible(recorded.crlfSize, rawSize);
    const size = named.size ?? recorded.size;
    if (size !== undefined && size !== rawSize) return undefined;
    return plausible(named.crlfSize ?? recorded.crlfSize, rawSize);
  }
}

function plausible(crlfSize: number | undefined, rawSize: number): number | undefined {
  return crlfSize !== undefined && crlfSize >= rawSize && crlfSize <= 2 * rawSize ? crlfSize : undefined;
}

function number(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
