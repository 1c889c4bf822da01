import { fileStorage, nodeClient } from '@millrace/client/node';
import type { ConversationId } from '@millrace/kernel';

/**
 * The program of a process that is killed while it sends: `node … url token file conversation round count`. It sends
 * `round/1` to `round/count`, says on its output what was acknowledged, and ends once its outbox is empty.
 */
const [url = '', token = '', file = '', conversation = '', round = '', count = '0'] = process.argv.slice(2);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const storage = fileStorage(file);
const client = nodeClient({ url, token, storage, reconnect: { initialMs: 20, maxMs: 200 } });
client.on('refused', ({ body, error }) => say(`refused ${String(body)} ${error.code}`));
const connected = client.connect();
const sends = Array.from({ length: Number(count) }, async (_, index) => {
  const body = `${round}/${String(index + 1)}`;
  const { gen, seq } = await client.send(conversation as ConversationId, body);
  say(`acked ${body} ${String(gen)} ${String(seq)}`);
});
await Promise.all([connected, ...sends]);
while (client.outboxSize > 0) await new Promise((resolve) => setImmediate(resolve));
await client.close();
say('done');
