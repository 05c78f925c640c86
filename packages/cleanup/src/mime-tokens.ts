// `type/subtype; name=value; …` of a Content-Type field, read the way a walker needs it: quickly, in one pass, and
// patient with what is broken. Answers pairs in lower case, but for the values of parameters.

const SPECIAL = /[\s()<>@,;:\\"/[\]?=]/;

type Pair = readonly [name: string, value: string | undefined];

export function readTokens(text: string): Pair[] {
  const pairs: Pair[] = [];
  let words: { readonly text: string; readonly isOperator: boolean }[] = [];
  const flush = (): void => {
    const [first, between, second] = words;
    words = [];
    if (first === undefined || first.isOperator) {
      pairs.push(['', undefined]);
      return;
    }
    const joint = between?.isOperator === true && (between.text === '=' || between.text === '/');
    const value = joint && second !== undefined && !second.isOperator ? second.text : undefined;
    const isHead = pairs.length === 0;
    pairs.push([first.text.toLowerCase(), isHead ? value?.toLowerCase() : value]);
  };
  for (let at = 0; at < text.length;) {
    const char = text[at] ?? '';
    if (char === ';') {
      flush();
      at++;
    } else if (/\s/.test(char)) at++;
    else if (char === '(') at = skipComment(text, at);
    else if (char === '"') {
      const run = readQuoted(text, at + 1);
      if (words.length < 3) words.push({ text: run.text, isOperator: false });
      at = run.end;
    } else if (SPECIAL.test(char)) {
      if (words.length < 3) words.push({ text: char, isOperator: true });
      at++;
    } else {
      let end = at + 1;
      while (end < text.length && !SPECIAL.test(text[end] ?? '')) end++;
      if (words.length < 3) words.push({ text: text.slice(at, end), isOperator: false });
      at = end;
    }
  }
  flush();
  return pairs;
}

function skipComment(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const char = text[at];
    if (char === '\\') at++;
    else if (char === '(') depth++;
    else if (char === ')' && --depth === 0) return at + 1;
  }
  return text.length;
}

function readQuoted(text: string, start: number): { readonly text: string; readonly end: number } {
  const parts: string[] = [];
  let from = start;
  for (let at = start; at < text.length; at++) {
    const char = text[at];
    if (char === '"') {
      parts.push(text.slice(from, at));
      return { text: parts.join(''), end: at + 1 };
    }
    if (char === '\\') {
      parts.push(text.slice(from, at));
      from = ++at;
    }
  }
  parts.push(text.slice(from));
  return { text: parts.join(''), end: text.length };
}
