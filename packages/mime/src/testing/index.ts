// What other packages' tests may use: the corpus of odd messages with Dovecot's answers.

/** One JSON object a line: `name`, `message` (LF, binary string), `envelope`, `bodystructure`, `size`, `sections`. */
export const DOVECOT_ANSWERS = new URL('dovecot-answers.jsonl', import.meta.url);
