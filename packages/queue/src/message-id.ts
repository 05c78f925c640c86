// Finds the Message-ID in the first octets of a message, for the log line. Bounded by what it is given;
// one pass; never throws.

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const NAME = Buffer.from('message-id:');
/** Longest value reported. RFC 5322 §2.1.1 allows a line of 998. */
const MAX_VALUE = 998;

/** RFC 5322 §3.6.4. The value without folding and surrounding blanks, or an empty string when there is none. */
export function findMessageId(head: Buffer): string {
  let start = 0;
  while (start < head.length) {
    const first = head[start];
    if (first === LF || first === CR) return '';
    const end = head.indexOf(LF, start);
    if ((first === 0x6d || first === 0x4d) && hasName(head, start))
      return readValue(head, start + NAME.length);
    if (end === -1) return '';
    start = end + 1;
  }
  return '';
}

function hasName(head: Buffer, start: number): boolean {
  if (start + NAME.length > head.length) return false;
  for (let i = 0; i < NAME.length; i++) {
    const octet = head[start + i] ?? 0;
    const lower = octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet;
    if (lower !== NAME[i]) return false;
  }
  return true;
}

function readValue(head: Buffer, start: number): string {
  let end = start;
  const limit = Math.min(head.length, start + MAX_VALUE);
  while (end < limit) {
    if (head[end] === LF) {
      const next = head[end + 1];
      if (next !== SPACE && next !== TAB) break;
    }
    end++;
  }
  return head
    .toString('utf8', start, end)
    .replaceAll(/[\r\n]/g, '')
    .trim();
}
