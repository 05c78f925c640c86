// The log of one process: pino with a destination of our own that writes syslog-like lines. Every process writes
// to standard output itself; a line is one write, so lines never mix. When the log is a file, children write into
// a pipe and the supervisor, which alone may open it, appends what comes.

import { hostname } from 'node:os';
import { fstatSync } from 'node:fs';
import type { Log, LogLevel } from '@postcote/wire';
import pino from 'pino';
import { type LineStyle, formatLine } from './format.ts';
import { FILE_PIECE, LineBatch, PIPE_PIECE } from './line-batch.ts';

export interface OpenLogOptions {
  /** A file to append to, or absent for standard output. */
  readonly file?: string | undefined;
  readonly level?: LogLevel;
  /** Chosen by looking at standard output when absent. */
  readonly style?: LineStyle;
  /** JSON objects, one a line, in place of syslog-like lines. */
  readonly json?: boolean;
}

export interface OpenedLog {
  readonly log: Log;
  /** Adds lines that another of our processes formatted. */
  append(lines: Buffer): void;
  /** Writes what is buffered; call before the process ends. */
  flush(): void;
  /** Opens the file anew, after log rotation. */
  reopen(): void;
}

/** Throws when `file` cannot be opened. */
export function openLog(options: OpenLogOptions = {}): OpenedLog {
  const sink = pino.destination(
    options.file === undefined
      ? { fd: 1, sync: false }
      : { dest: options.file, append: true, mkdir: true, mode: 0o640, sync: false },
  );
  // A reader that went away must not end the mail server.
  sink.on('error', () => {});
  const style = options.style ?? (options.file === undefined && stdoutIsJournal() ? 'journal' : 'syslog');
  const level = options.level ?? 'info';
  const piece = options.file !== undefined || stdoutIsFile() ? FILE_PIECE : PIPE_PIECE;
  const batch = new LineBatch((lines) => sink.write(lines), piece);
  const logger = options.json
    ? pino({ level, base: { pid: process.pid } }, sink)
    : pino({ level, base: null }, lineDestination(batch, style));
  return {
    log: (level, program, message, fields) => logger[level]({ ...fields, program }, message),
    append: (lines) => {
      sink.write(lines.toString('utf8'));
    },
    flush: () => {
      try {
        batch.flush();
        sink.flushSync();
      } catch {
        // The descriptor is gone or was never ready: nothing more can be said.
      }
    },
    reopen: () => {
      if (options.file !== undefined) sink.reopen();
    },
  };
}

function stdoutIsFile(): boolean {
  try {
    return fstatSync(1).isFile();
  } catch {
    return false;
  }
}

/** sd-daemon: JOURNAL_STREAM names device and inode of the stream that journald reads. */
function stdoutIsJournal(): boolean {
  const stream = process.env['JOURNAL_STREAM'];
  if (stream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(1);
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

// pino hands the event's parts to a destination that asks for them, which spares parsing its JSON again.
const METADATA = Symbol.for('pino.metadata');

interface LineDestination {
  lastLevel: number;
  lastMsg: string;
  lastObj: { readonly program?: string };
  write(json: string): void;
}

function lineDestination(sink: { write(line: string): unknown }, style: LineStyle): pino.DestinationStream {
  const host = hostname().split('.')[0] ?? 'localhost';
  const destination: LineDestination & { [METADATA]: true } = {
    [METADATA]: true,
    lastLevel: 30,
    lastMsg: '',
    lastObj: {},
    write() {
      sink.write(
        formatLine(
          {
            time: new Date(),
            level: (pino.levels.labels[this.lastLevel] ?? 'info') as LogLevel,
            program: this.lastObj.program ?? 'postcote',
            pid: process.pid,
            message: this.lastMsg,
          },
          style,
          host,
        ),
      );
    },
  };
  return destination;
}
