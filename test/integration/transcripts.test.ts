// Every transcript, against the daemon and against a private real Postfix and Dovecot. Both must agree with the
// file, and so with one another.

import { afterAll, beforeAll, describe, it } from 'vitest';
import { type Account, playTranscript } from '../support/play-transcript.ts';
import { groupBySettings, readTranscripts } from '../support/transcript-files.ts';
import type { Side } from '../support/transcript.ts';
import { ROOT_MISSING, TestBed, type World, namedAccounts, startWorld } from '../support/world.ts';

const SIDES: readonly [Side, string][] = [
  ['real', 'real Postfix and Dovecot'],
  ['ours', 'postcote'],
];

describe.skipIf(ROOT_MISSING !== undefined)(
  `transcripts${ROOT_MISSING === undefined ? '' : ` (${ROOT_MISSING})`}`,
  () => {
    let bed: TestBed;
    beforeAll(async () => {
      bed = await TestBed.open('transcripts');
    });
    afterAll(async () => {
      await bed.close();
    });

    for (const [side, name] of SIDES) {
      describe(name, () => {
        for (const group of groupBySettings(readTranscripts())) {
          const settings = group[0]?.settings;
          const shown = Object.values(settings ?? {}).flat();
          describe(shown.length === 0 ? 'as the guide sets it up' : shown.join('; '), () => {
            let world: World;
            let accounts: Map<string, Account>;
            beforeAll(async () => {
              world = await startWorld(side, bed, settings === undefined ? {} : { settings });
              accounts = namedAccounts(
                bed,
                group.flatMap((transcript) => transcript.users.map((user) => `${transcript.name} ${user}`)),
              );
            });
            afterAll(async () => {
              await world?.stop();
            });

            for (const transcript of group) {
              it.concurrent(`${transcript.name}: ${transcript.why}`, async () => {
                const own = new Map(
                  transcript.users.map((user) => [
                    user,
                    accounts.get(`${transcript.name} ${user}`) as Account,
                  ]),
                );
                await playTranscript(transcript, { ...world, accounts: own });
              });
            }
          });
        }
      });
    }
  },
);
