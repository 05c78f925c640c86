// Whether the server would start on a configuration; loads all of it.

import { DEFAULT_DATA_DIRECTORY } from '../../control/places.ts';
import { RefusedConfiguration, planServer } from '../../plan.ts';

const DOVECOT_CONF = '/etc/dovecot/dovecot.conf';

export async function checkConfiguration(
  postfixDirectory: string,
): Promise<{ readonly refusals: readonly string[]; readonly notices: readonly string[] }> {
  try {
    const plan = await planServer({
      postfixDirectory,
      dovecotConf: DOVECOT_CONF,
      dataDirectory: DEFAULT_DATA_DIRECTORY,
    });
    return { refusals: [], notices: plan.notices };
  } catch (error) {
    if (!(error instanceof RefusedConfiguration)) throw error;
    return { refusals: error.lines, notices: [] };
  }
}
