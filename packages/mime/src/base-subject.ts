// The base subject of RFC 5256 §2.1: what SORT and THREAD compare instead of "Re: [list] Fwd: …". The input is decoded
// text. Linear but for the number of leaders, each of which is removed once.

export interface BaseSubject {
  readonly text: string;
  /** Whether something was removed that makes the message a reply or a forward. */
  readonly isReply: boolean;
}

/** Subjects are compared by this much. */
const MAX_SUBJECT = 4000;
// subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"; subj-blob = "[" *BLOBCHAR "]" *WSP
const LEADER = /^(?:\[[^[\]]{0,200}\] *)*(?:re|fwd?) *(?:\[[^[\]]{0,200}\] *)?: */;
const BLOB = /^\[[^[\]]{0,200}\] */;

export function baseSubject(subject: string): BaseSubject {
  let text = subject
    .slice(0, MAX_SUBJECT)
    .replace(/[ \t\r\n]+/g, ' ')
    .trim();
  let isReply = false;
  for (;;) {
    const before = text;
    // (2) trailers
    while (/\(fwd\)$/i.test(text)) {
      text = text.slice(0, -5).trimEnd();
      isReply = true;
    }
    // (3) to (5) leaders, blobs
    for (;;) {
      const leader = LEADER.exec(text.slice(0, 1000).toLowerCase());
      if (leader !== null) {
        text = text.slice(leader[0].length);
        isReply = true;
        continue;
      }
      const blob = BLOB.exec(text);
      // A blob goes only when a subject remains.
      if (blob === null || blob[0].length === text.length) break;
      text = text.slice(blob[0].length);
    }
    // (6) [fwd: … ]
    if (/^\[fwd:/i.test(text) && text.endsWith(']')) {
      text = text.slice(5, -1).trim();
      isReply = true;
    }
    if (text === before) return { text, isReply };
  }
}
