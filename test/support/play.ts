// Plays transcripts from the command line, for whoever writes one:
//   node test/support/play.ts real test/transcripts/smtp/*.txt
//   node test/support/play.ts ours test/transcripts/imap/idle.txt
// Needs root. Ends with status 1 when one failed.

import path from 'node:path';
import { playTranscript } from './play-transcript.ts';
import { groupBySettings, readTranscript, readTranscripts } from './transcript-files.ts';
import { ROOT_MISSING, TestBed, namedAccounts, startWorld } from './world.ts';

const [side, ...files] = process.argv.slice(2);
if (side !== 'real' && side !== 'ours') throw new Error('usage: play.ts real|ours [FILE…]');
if (ROOT_MISSING !== undefined) throw new Error(ROOT_MISSING);

const transcripts =
  files.length === 0 ? readTranscripts() : files.map((file) => readTranscript(path.resolve(file)));
const bed = await TestBed.open('play');
let failed = 0;
try {
  for (const group of groupBySettings(transcripts)) {
    const settings = group[0]?.settings;
    const world = await startWorld(side, bed, settings === undefined ? {} : { settings });
    try {
      for (const transcript of group) {
        const started = Date.now();
        try {
          await playTranscript(transcript, { ...world, accounts: namedAccounts(bed, transcript.users) });
          console.log(`ok    ${transcript.name} (${Date.now() - started} ms)`);
        } catch (error) {
          failed++;
          console.log(`FAIL  ${error instanceof Error ? error.message : String(error)}\n`);
        }
      }
      if (process.env['SHOW_LOG'] !== undefined) console.log(world.log());
    } finally {
      await world.stop();
    }
  }
} finally {
  await bed.close();
}
console.log(`${transcripts.length - failed} of ${transcripts.length} agree with ${side}`);
process.exitCode = failed === 0 ? 0 : 1;
