// How mail is indexed for searching: Dovecot's names in `plugin { }` (2.3) or at the top (2.4), and one of our own there.

import { notice, type Problem } from '../origin.ts';
import { isYes } from './normalise.ts';
import { readValues, sectionsOf, type DovecotNode } from './parse.ts';
import { parseDovecotSize } from './values.ts';

export interface TextIndexSettings {
  /** Folders are indexed as mail arrives and as they are opened; otherwise what is indexed already is used. */
  readonly automatic: boolean;
  /** Octets of text of one message; longer ones are searched in the message itself. */
  readonly maxMessage: number;
  /** Octets of one user's index; 0: no index of texts at all. */
  readonly maxSize: number;
}

/** Settings of `plugin { }` that are honoured. */
export const TEXT_INDEX_SETTINGS: ReadonlySet<string> = new Set([
  'fts_autoindex',
  'fts_message_max_size',
  'postcote_index_size',
]);

const DEFAULTS: TextIndexSettings = { automatic: true, maxMessage: 4 * 1024 ** 2, maxSize: 4 * 1024 ** 3 };

export function readTextIndex(nodes: readonly DovecotNode[]): {
  readonly settings: TextIndexSettings;
  readonly problems: readonly Problem[];
} {
  const problems: Problem[] = [];
  const values = readValues([...nodes, ...sectionsOf(nodes, 'plugin').flatMap(({ children }) => children)]);
  const size = (name: string, whenAbsent: number): number => {
    const setting = values.get(name);
    if (setting === undefined || setting.value === '') return whenAbsent;
    const octets = parseDovecotSize(setting.value);
    if (octets !== undefined) return octets;
    const message = `this is no size (10M, 2G); ${whenAbsent} octets are used`;
    problems.push(notice(setting.origin, { name, value: setting.value, message }));
    return whenAbsent;
  };
  const automatic = values.get('fts_autoindex')?.value;
  // DOVECOT: 0, the default, sets no limit; ours bounds what one message may cost.
  const maxMessage = size('fts_message_max_size', 0);
  return {
    settings: {
      automatic: automatic === undefined ? DEFAULTS.automatic : isYes(automatic),
      maxMessage: maxMessage === 0 ? DEFAULTS.maxMessage : maxMessage,
      maxSize: size('postcote_index_size', DEFAULTS.maxSize),
    },
    problems,
  };
}
