// Writes a message's octets the way SMTP and POP3 end them (RFC 5321 §4.5.2, RFC 1939 §3): a dot at the beginning of
// a line is doubled, and a line with a lone dot ends it all. Input is the CRLF form in any cut; a stray bare LF
// becomes CRLF, so that nothing else than CRLF.CRLF can ever look like the end. Never throws; holds one octet of state.

const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;

const DOT_OCTET = Buffer.from('.');
const CRLF = Buffer.from('\r\n');
const NOTHING = Buffer.alloc(0);

function fillGaps(chunk: Buffer, gaps: readonly number[]): Buffer {
  const out = Buffer.allocUnsafe(chunk.length + gaps.length);
  let from = 0;
  let at = 0;
  for (const gap of gaps) {
    // Short runs are the costly case (a message of nothing but dots): no native call for those.
    if (gap - from < 32) while (from < gap) out[at++] = chunk[from++] as number;
    else {
      at += chunk.copy(out, at, from, gap);
      from = gap;
    }
    out[at++] = chunk[gap] === LF ? CR : DOT;
  }
  chunk.copy(out, at, from);
  return out;
}

export class DotWriter {
  #lineStart = true;
  #afterCr = false;

  /** The octets to send for `chunk`. The answer may share memory with it. */
  push(chunk: Buffer): Buffer {
    if (chunk.length === 0) return NOTHING;
    /** Where an octet goes in: a CR before a bare LF, a dot before a dot. */
    const gaps: number[] = [];
    if (this.#lineStart && chunk[0] === DOT) gaps.push(0);
    for (let lf = chunk.indexOf(LF); lf !== -1; lf = chunk.indexOf(LF, lf + 1)) {
      const afterCr = lf === 0 ? this.#afterCr : chunk[lf - 1] === CR;
      if (!afterCr) gaps.push(lf);
      if (chunk[lf + 1] === DOT) gaps.push(lf + 1);
    }
    const last = chunk[chunk.length - 1];
    this.#lineStart = last === LF;
    this.#afterCr = last === CR;
    return gaps.length === 0 ? chunk : fillGaps(chunk, gaps);
  }

  /** What ends an unfinished line: nothing when the last line was whole (or there was none). */
  endLine(): Buffer {
    if (this.#lineStart) return NOTHING;
    this.#lineStart = true;
    const missing = this.#afterCr ? CRLF.subarray(1) : CRLF;
    this.#afterCr = false;
    return missing;
  }

  /** The end of the data: an unfinished line's end, then the lone dot. */
  end(): Buffer {
    return Buffer.concat([this.endLine(), DOT_OCTET, CRLF]);
  }
}
