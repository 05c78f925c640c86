// getopt(3): single letters, clustered or not, arguments glued or not; ends at the first word that is no option.

export interface ReadOptions {
  readonly options: readonly (readonly [letter: string, value: string])[];
  readonly rest: readonly string[];
  /** `invalid option -- 'Z'`; such a letter is left out. */
  readonly complaints: readonly string[];
}

/** `spec` as getopt's: `c:` takes an argument, `q::` one that is glued to it. */
export function getopt(args: readonly string[], spec: string): ReadOptions {
  const options: (readonly [string, string])[] = [];
  const complaints: string[] = [];
  let at = 0;
  for (; at < args.length; at++) {
    const word = args[at] ?? '';
    if (word === '--') {
      at++;
      break;
    }
    if (!word.startsWith('-') || word === '-') break;
    for (let i = 1; i < word.length; i++) {
      const letter = word[i] ?? '';
      const known = letter === ':' ? -1 : spec.indexOf(letter);
      if (known === -1) {
        complaints.push(`invalid option -- '${letter}'`);
        continue;
      }
      if (spec[known + 1] !== ':') {
        options.push([letter, '']);
        continue;
      }
      const glued = word.slice(i + 1);
      if (glued !== '' || spec[known + 2] === ':') options.push([letter, glued]);
      else if (at + 1 < args.length) options.push([letter, args[++at] ?? '']);
      else complaints.push(`option requires an argument -- '${letter}'`);
      break;
    }
  }
  return { options, rest: args.slice(at), complaints };
}
