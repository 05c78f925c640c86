// Makes a folder of what its journal says, as far as the journal alone can know.

import type {
  JournalExpunge,
  JournalHead,
  JournalMessages,
  JournalRows,
  JournalSink,
} from '../folder-journal.ts';
import type { DirectoryStanding } from './directory-state.ts';
import type { RestoredFolder } from './folder-snapshot.ts';
import type { KeywordFile } from './keyword-file.ts';
import { KnownRows } from './known-rows.ts';
import type { UidlistStanding } from './uidlist-file.ts';

/** All texts of a folder were in the index when it was like this. */
export interface IndexedTexts {
  readonly uidNext: number;
  readonly messages: number;
  /** Of the index of texts. */
  readonly id: string;
}

/** How far the folder's own files were read when nothing was left to write. */
export interface FolderStanding {
  readonly uidlist: UidlistStanding;
  readonly directories: readonly [DirectoryStanding, DirectoryStanding];
  readonly indexed?: IndexedTexts;
}

export class JournalReader implements JournalSink {
  found: JournalHead | undefined;
  /** Where everything stood, if nothing was written behind. */
  rest: FolderStanding | undefined;
  highest = 0;
  /** Modseqs up to here may have been given out. */
  reserved = 0;
  readonly #rows: KnownRows;
  #expunged: JournalExpunge[] = [];
  #floor = 0;

  constructor(keywords: KeywordFile) {
    this.#rows = new KnownRows(keywords);
  }

  /** A change that was told may be missing: every message counts as changed now. */
  doubt(modseq: number): void {
    this.#rows.setModseqs(modseq);
    this.#expunged = [];
    this.#floor = modseq;
    this.highest = modseq;
  }

  folder(): RestoredFolder {
    return {
      ...this.#rows.finish(),
      expunged: this.#expunged,
      expungedFloor: this.#floor,
      highestModseq: this.highest,
    };
  }

  head(head: JournalHead): void {
    this.found = head;
    this.highest = head.highestModseq;
    this.#floor = head.expungedFloor;
  }

  messages(rows: JournalMessages): void {
    this.#rows.add(rows);
    this.#note(rows);
  }

  changes(rows: JournalRows): void {
    this.#rows.change(rows);
    this.#note(rows);
  }

  expunged(expunge: JournalExpunge): void {
    this.#rows.remove(expunge.uid);
    this.#expunged.push(expunge);
    if (expunge.modseq > this.highest) this.highest = expunge.modseq;
    this.rest = undefined;
  }

  ceiling(modseq: number): void {
    this.reserved = modseq;
    this.rest = undefined;
  }

  standing(value: unknown): void {
    this.rest = isStanding(value) ? value : undefined;
  }

  #note({ count, numbers }: JournalRows): void {
    this.rest = undefined;
    for (let i = 0; i < count; i++) {
      const modseq = numbers[i * 4] as number;
      if (modseq > this.highest) this.highest = modseq;
    }
  }
}

function isStanding(value: unknown): value is FolderStanding {
  // Written by this version, and whole: its sum was checked.
  return typeof value === 'object' && value !== null && 'uidlist' in value && 'directories' in value;
}
