import type { MeasureFindings } from '../../report/findings.ts';
import { addChecked } from '../checked.ts';
import { measureLogins } from './measure-logins.ts';
import { measureReconnect } from './measure-reconnect.ts';
import { syncFindings } from './sync-findings.ts';

/** Devices that were away: one that missed much, and many that come back at once. */
export const measureSync: MeasureFindings = async (options, host) => {
  if (options.url !== null) {
    throw new Error('sync reads the Redis of a server beside it, and starts that server anew: leave --url out');
  }
  const logins = await measureLogins(options, host);
  const reconnect = await measureReconnect(options, host);
  return syncFindings(logins, reconnect, addChecked(logins.checked, reconnect.checked));
};
