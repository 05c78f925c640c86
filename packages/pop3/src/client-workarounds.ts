// What old mail programs need of a message's octets. DOVECOT: pop3_client_workarounds.

export type PopWorkaround = 'outlook-no-nuls' | 'oe-ns-eoh';

export const POP_WORKAROUNDS: ReadonlySet<string> = new Set<PopWorkaround>(['outlook-no-nuls', 'oe-ns-eoh']);

type Octets = AsyncIterator<Buffer> | Iterator<Buffer>;

const NUL = 0;
/** DOVECOT: what stands for a NUL. */
const INSTEAD_OF_NUL = 0x80;
const LF = 0x0a;
const CR = 0x0d;

/** The same octets where nothing is to be worked around. */
export function workAround(octets: Octets, workarounds: readonly PopWorkaround[]): Octets {
  if (workarounds.length === 0) return octets;
  return adapt(octets, new Set(workarounds));
}

async function* adapt(octets: Octets, workarounds: ReadonlySet<PopWorkaround>): AsyncGenerator<Buffer> {
  const noNuls = workarounds.has('outlook-no-nuls');
  const header = workarounds.has('oe-ns-eoh') ? new HeaderEnd() : undefined;
  try {
    for (let piece = await octets.next(); piece.done !== true; piece = await octets.next()) {
      header?.push(piece.value);
      yield noNuls && piece.value.includes(NUL) ? withoutNuls(piece.value) : piece.value;
    }
  } finally {
    await octets.return?.();
  }
  // Outlook Express hangs where a message has no body and no empty line.
  if (header !== undefined && !header.ended) yield Buffer.from(header.atLineStart ? '\r\n' : '\r\n\r\n');
}

function withoutNuls(octets: Buffer): Buffer {
  const copy = Buffer.from(octets);
  for (let at = copy.indexOf(NUL); at !== -1; at = copy.indexOf(NUL, at + 1)) copy[at] = INSTEAD_OF_NUL;
  return copy;
}

/** Whether an empty line has come. */
class HeaderEnd {
  ended = false;
  atLineStart = true;

  push(octets: Buffer): void {
    if (this.ended) return;
    for (const octet of octets) {
      if (octet === CR) continue;
      if (octet !== LF) this.atLineStart = false;
      else if (this.atLineStart) {
        this.ended = true;
        return;
      } else this.atLineStart = true;
    }
  }
}
