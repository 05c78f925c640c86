import { describe, expect, it } from 'vitest';
import { parseDovecot } from './parse.ts';
import { readTextIndex } from './text-index.ts';
import type { System } from '../system.ts';

const system = { readFile: () => ({ kind: 'missing' }) } as unknown as System;
const read = (text: string) => readTextIndex(parseDovecot('d', text, system).nodes);

describe('settings of the index of texts', () => {
  it('indexes by itself unless it is told otherwise', () => {
    expect(read('').settings).toEqual({ automatic: true, maxMessage: 4_194_304, maxSize: 4_294_967_296 });
    expect(read('plugin {\n fts_autoindex = no\n}\n').settings.automatic).toBe(false);
    expect(read('fts_autoindex = no\n').settings.automatic).toBe(false);
  });

  it('takes sizes in the forms of Dovecot', () => {
    const { settings, problems } = read(
      'plugin {\n fts_message_max_size = 100k\n postcote_index_size = 2 G\n}\n',
    );
    expect(settings).toMatchObject({ maxMessage: 102_400, maxSize: 2_147_483_648 });
    expect(problems).toEqual([]);
    expect(read('plugin {\n postcote_index_size = 0\n}\n').settings.maxSize).toBe(0);
  });

  it('says what is no size', () => {
    const { settings, problems } = read('plugin {\n postcote_index_size = much\n}\n');
    expect(settings.maxSize).toBe(4_294_967_296);
    expect(problems.map(({ name, value }) => [name, value])).toEqual([['postcote_index_size', 'much']]);
  });
});
