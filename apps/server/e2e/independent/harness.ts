import { expect } from 'vitest';
import { tokenFor } from '../support/test-tokens.ts';
import { until } from '../support/until.ts';
import { Connection, type Encoding } from './connection.ts';
import { IndependentDevice, type DeviceOptions } from './device.ts';
import { Refused, type Answers, type ErrorFrame, type RequestName } from './frames.ts';

/** The devices and connections of one test, ended after it, with everything that the server sent held against the page. */
export class Harness {
  readonly #url: () => string;
  readonly #encoding: Encoding;
  readonly #devices: IndependentDevice[] = [];
  readonly #connections: Connection[] = [];

  constructor(url: () => string, encoding: Encoding) {
    this.#url = url;
    this.#encoding = encoding;
  }

  /** A device that stays connected, caught up when this resolves. */
  async device(user: string, options: Partial<DeviceOptions> = {}): Promise<IndependentDevice> {
    const device = new IndependentDevice({
      ...{ url: this.#url(), user, device: 'phone-1', encoding: this.#encoding, token: () => tokenFor(user) },
      ...options,
    });
    this.#devices.push(device);
    device.start();
    await until(`${user} is connected and caught up`, () => device.quiet);
    return device;
  }

  /** A bare socket: nothing was said on it yet. */
  async socket(): Promise<Connection> {
    const connection = new Connection(this.#url(), this.#encoding, {
      unasked: () => undefined,
      closed: () => undefined,
    });
    this.#connections.push(connection);
    await connection.open();
    return connection;
  }

  /** A bare connection that is authenticated. */
  async session(user: string, device = 'bare'): Promise<Connection> {
    const connection = await this.socket();
    await connection.request('connect', { token: await tokenFor(user), device });
    return connection;
  }

  /** Ends everything. @throws when anything that came was not as the page says, or when nothing came. */
  async end(): Promise<void> {
    const [devices, connections] = [this.#devices.splice(0), this.#connections.splice(0)];
    await Promise.all(devices.map((device) => device.stop()));
    for (const connection of connections) connection.drop();
    const checked = [...devices, ...connections];
    expect(checked.flatMap(({ problems }) => problems)).toEqual([]);
    expect(checked.reduce((sum, { framesChecked }) => sum + framesChecked, 0)).toBeGreaterThan(0);
  }
}

/** The error frame of a request that must be refused. */
export async function refusal(
  from: { request(t: RequestName, fields: object): Promise<unknown> },
  t: RequestName,
  fields: object,
): Promise<ErrorFrame> {
  try {
    await from.request(t, fields);
  } catch (error) {
    if (error instanceof Refused) return error.frame;
    throw error;
  }
  throw new Error(`${t} was not refused`);
}

/** What a device holds of a conversation, without what only the time of the run decides. */
export function view(device: IndependentDevice, conversation: string): unknown {
  return device.store.messages(conversation).map(({ gen, seq, from, n, deviceTag, ...rest }) => {
    return [gen, seq, from, n, deviceTag, 'body' in rest ? rest.body : rest.bodyBase64];
  });
}

/** The four numbers of a conversation and what is unread, as the device counts them. */
export function numbers(device: IndependentDevice, conversation: string): unknown {
  const summary = device.store.conversation(conversation).summary;
  if (summary === undefined) return undefined;
  const { msgNo, readSeq, readMsgNo, own, unread } = summary;
  return { msgNo, readSeq, readMsgNo, own, unread };
}

/** The same numbers as the server counts them. */
export async function serverNumbers(device: IndependentDevice, conversation: string): Promise<unknown> {
  const page: Answers['conversations'] = await device.request('conversations');
  const summary = page.conversations.find((each) => each.conversation === conversation);
  if (summary === undefined) return undefined;
  const { msgNo, readSeq, readMsgNo, own, unread } = summary;
  return { msgNo, readSeq, readMsgNo, own, unread };
}
