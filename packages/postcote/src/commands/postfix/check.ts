// Whether the server would start on a configuration; loads all of it.

import { DEFAULT_DATA_DIRECTORY } from '../../control/places.ts';
import { dovecotConf } from './context.ts';
import { RefusedConfiguration, planServer } from '../../plan.ts';

export async function checkConfiguration(
  postfixDirectory: string,
): Promise<{ readonly refusals: readonly string[]; readonly notices: readonly string[] }> {
  try {
    const plan = await planServer({
      postfixDirectory,
      dovecotConf: dovecotConf(),
      dataDirectory: DEFAULT_DATA_DIRECTORY,
    });
    return { refusals: [], notices: plan.notices };
  } catch (error) {
    if (!(error instanceof RefusedConfiguration)) throw error;
    return { refusals: error.lines, notices: [] };
  }
}
