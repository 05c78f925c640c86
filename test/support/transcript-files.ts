// Finds the transcripts, and groups them by the settings they need so that servers start seldom.

import fs from 'node:fs';
import path from 'node:path';
import { type Transcript, parseTranscript } from './transcript.ts';
import { REPOSITORY } from './postcote-daemon.ts';

const FOLDER = path.join(REPOSITORY, 'test/transcripts');

export function readTranscript(file: string): Transcript {
  return parseTranscript(path.relative(FOLDER, file), fs.readFileSync(file, 'utf8'));
}

/** All transcripts, by name. */
export function readTranscripts(): Transcript[] {
  const found: Transcript[] = [];
  for (const protocol of ['smtp', 'imap', 'pop3']) {
    const folder = path.join(FOLDER, protocol);
    for (const name of fs.readdirSync(folder).toSorted()) {
      if (name.endsWith('.txt')) found.push(readTranscript(path.join(folder, name)));
    }
  }
  return found;
}

export function groupBySettings(transcripts: readonly Transcript[]): Transcript[][] {
  const groups = new Map<string, Transcript[]>();
  for (const transcript of transcripts) {
    const key = JSON.stringify(transcript.settings);
    groups.set(key, [...(groups.get(key) ?? []), transcript]);
  }
  return [...groups.values()];
}
