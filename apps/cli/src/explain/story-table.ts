import { grouped } from '../progress.ts';
import { many, table } from '../text-table.ts';
import type { DeviceAnswer, MemberAnswer, SpreadAnswer, StepAnswer, StoryAnswer, WhyAnswer } from './story-answer.ts';

const day = (at: number): string => new Date(at).toISOString().slice(0, 10);

/** The time of day in UTC; with the day in front when it is another one than the message's. */
function clock(at: number, today: string): string {
  const [date = '', time = ''] = new Date(at).toISOString().slice(0, -1).split('T');
  return date === today ? time : `${date} ${time}`;
}

const when = (at: number | null, today: string): string => (at === null ? '-' : clock(at, today));

const ms = (value: number): string => `${value < 10 ? value.toFixed(2) : grouped(value)} ms`;

function reason({ code, nodes }: WhyAnswer): string {
  const names = nodes.join(', ');
  const plural = nodes.length > 1;
  switch (code) {
    case 'silent':
      return `${names} did not answer`;
    case 'off':
      return `${names} ${plural ? 'keep' : 'keeps'} no trace`;
    case 'restarted':
      return `${names} ${plural ? 'were' : 'was'} started after it`;
    case 'pushed_out':
      return `on ${names} newer messages took its place`;
    case 'control':
      return 'an entry of the conversation itself has no sender who waits';
    case 'not_noted':
      return 'whoever did it is not in the cluster any more';
    default:
      return nodes.length === 0 ? code : `${code}: ${names}`;
  }
}

const reasons = (why: readonly WhyAnswer[]): string => why.map(reason).join('; ');

/** One part of a text, or none for what is not told. */
function part<T>(value: T | null | undefined, text: (value: T) => string | null): readonly string[] {
  const told = value === null || value === undefined ? null : text(value);
  return told === null ? [] : [told];
}

/** What a step says beside when, how long and where. */
function details(step: StepAnswer): readonly string[] {
  switch (step.step) {
    case 'accepted':
      return [
        ...part(step.via, (via) => (via === 'http' ? 'over HTTP' : null)),
        ...part(step.session, (session) => `session ${session}`),
        ...part(step.retries, (count) =>
          count === 0 ? null : `sent again ${many(count, 'time')}, and answered alike`,
        ),
      ];
    case 'routed':
      return [
        ...part(step.to, (to) => (step.way === 'here' ? 'to this very node' : `to ${to} over node streams`)),
        ...part(step.waitedMs, (waited) => (waited < 1 ? null : `after ${ms(waited)} without an owner`)),
        ...part(step.tries, (tries) => (tries < 2 ? null : `${many(tries, 'owner')} asked`)),
      ];
    case 'sequenced':
      return [
        ...part(step.partition, (partition) => `partition ${String(partition)}`),
        ...part(step.epoch, (epoch) => `epoch ${String(epoch)}`),
        ...part(step.waitedMs, (waited) => `after ${ms(waited)} in the mailbox`),
      ];
    case 'committed':
      return [
        ...part(step.commitNo, (commitNo) => `commit ${grouped(commitNo)}`),
        ...part(step.commands, (count) => `with ${many(count, 'command')}`),
        ...part(step.level, (level) => `ack level ${level}`),
        ...part(step.again, (again) => (again ? 'its answer was lost, a claim found it' : 'at the first try')),
      ];
    case 'diffused': {
      const { known, at, mode, recipients = 0, reached = 0, looked = 0 } = step;
      if (mode === 'read')
        return [`in no inbox: pushed live, or pulled by the devices of ${many(recipients, 'member')}`];
      const way = `write-diffusion to ${grouped(recipients)} ${recipients === 1 ? 'inbox' : 'inboxes'}`;
      if (known === 'traced') return at === null ? [way, 'under way'] : [way];
      return [way, `in ${grouped(reached)} of ${grouped(looked)} that were looked at`];
    }
    default:
      return [];
  }
}

function stepRow(step: StepAnswer, today: string): readonly string[] {
  const { known, node, at, tookMs, why } = step;
  const how = known === 'traced' ? [] : [`${known === 'stored' ? 'by what is stored' : 'not known'}: ${reasons(why)}`];
  const text = [...details(step), ...how].join(', ');
  return [step.step, when(at, today), tookMs === null ? '-' : ms(tookMs), node ?? '-', text];
}

function spread(what: string, of: SpreadAnswer | null | undefined, today: string): readonly string[] {
  return part(of, ({ count, firstAt, lastAt }) => {
    const span = `from ${clock(firstAt, today)} to ${clock(lastAt, today)}`;
    return `${what} ${grouped(count)}, ${span}`;
  });
}

/** By node, when there are several. */
const gatewayLines = (gateways: NonNullable<StepAnswer['gateways']>, today: string): readonly string[] =>
  gateways.length < 2 ? [] : gateways.flatMap(({ node, ...of }) => spread(`  on ${node}:`, of, today));

const inboxTexts: Readonly<Record<string, string>> = {
  behind: 'on its way',
  gone: 'not in the inbox any more',
  pulled: 'in no inbox: its devices pull it',
  not_found: 'not in the part of the inbox that was looked through',
  unavailable: 'its partition does not answer',
};

function memberRow({ user, role, isAuthor, inbox, ...member }: MemberAnswer, today: string): readonly string[] {
  const state = inbox.state === 'there' ? `inbox ${inbox.seq === null ? '?' : grouped(inbox.seq)}` : inbox.state;
  const said = (is: boolean, what: string, at: number | null): readonly string[] =>
    is ? [at === null ? what : `${what} ${clock(at, today)}`] : [`not ${what}`];
  const receipts = isAuthor
    ? ['the author']
    : [...said(member.delivered, 'delivered', member.deliveredAt), ...said(member.read, 'read', member.readAt)];
  const more = [
    ...(inbox.tookMs === null ? [] : [`after ${ms(inbox.tookMs)}`]),
    ...receipts,
    ...(role === null ? ['no member any more'] : []),
  ];
  return [user, '', inboxTexts[inbox.state] ?? state, when(inbox.at, today), more.join(', ')];
}

const deviceTexts: Readonly<Record<string, readonly [state: string, more: string]>> = {
  author: ['sent it', ''],
  applied: ['has it', 'it said so'],
  pulled: ['pulled', 'in the answer to its sync, or in a page'],
  pushed: ['pushed', 'it has said nothing since'],
  skipped: ['skipped', 'it was new or too far behind, and reads the conversation itself'],
  behind: ['not pulled', ''],
  unknown: ['not known', 'no node knows where it stands'],
};

function deviceRow(device: DeviceAnswer, today: string): readonly string[] {
  const { state, told, node, session, at, pushedAt, resynced } = device;
  const [text, more] = deviceTexts[state] ?? [state, ''];
  const parts = [
    more,
    state !== 'pushed' && state !== 'author' && pushedAt !== null ? `pushed ${clock(pushedAt, today)}` : '',
    state === 'behind' && told !== null ? `it said that it has ${grouped(told.seq)} (${clock(told.at, today)})` : '',
    state === 'behind' && resynced !== null ? `told to sync (${resynced.reason}) ${clock(resynced.at, today)}` : '',
    node === null ? 'offline' : `connected to ${node}${session === null ? '' : `, session ${session}`}`,
  ];
  return ['', device.device, text, when(at, today), parts.filter((part) => part !== '').join(', ')];
}

function traceLines({ nodes }: StoryAnswer, today: string): readonly string[] {
  return nodes.map(({ name, state, since, messagesFrom, copiesFrom }) => {
    if (state === 'silent') return `  ${name} did not answer`;
    if (state === 'off') return `  ${name} keeps no trace`;
    const full = messagesFrom === null ? '' : `; of all messages since ${clock(messagesFrom, today)}`;
    const copies = copiesFrom === null ? '' : `; of all copies since ${clock(copiesFrom, today)}`;
    return `  ${name} since ${when(since, today)}${full}${copies}`;
  });
}

/** One message's story: its steps, then each recipient with their devices, then how far the nodes' traces go back. */
export function storyLines(story: StoryAnswer): readonly string[] {
  const { conversation, kind, gen, seq, head, message, steps, recipients, members } = story;
  const today = day(message.at);
  const author = message.from === null ? '' : ` from ${message.from}`;
  const device = message.device === null ? '' : `, device ${message.device}, its number ${String(message.n)}`;
  const diffused = steps.find((step) => step.step === 'diffused');
  const rows = members.flatMap((member) => [
    memberRow(member, today),
    ...member.devices.map((each) => deviceRow(each, today)),
  ]);
  const left = recipients.count - members.length;
  const isOne = recipients.count === 1 && message.from === members[0]?.user;
  return [
    `${kind} ${conversation}, seq ${String(seq)} of generation ${String(gen)} (the last one is ${String(head.seq)})`,
    `${message.type}${author}${device}; ${many(message.bytes, 'byte')} stored`,
    `${today}, times in UTC as the clock of each node shows them; durations are measured within one node`,
    '',
    ...table(
      ['step', 'when', 'took', 'node', ''],
      steps.map((step) => stepRow(step, today)),
      5,
    ),
    '',
    isOne
      ? '1 recipient: the author'
      : `${many(recipients.count, 'recipient')}; ${grouped(recipients.delivered)} said that it is delivered, ${grouped(recipients.read)} that it is read`,
    ...spread('inboxes by the traces:', diffused?.delivered, today),
    ...spread('pushes by the traces:', diffused?.pushed, today),
    ...gatewayLines(diffused?.gateways ?? [], today),
    '',
    ...table(['recipient', 'device', 'state', 'when', ''], rows, 5),
    ...(left > 0 && members.length > 0
      ? [`${grouped(left)} more; --user NAME tells of one, --limit N of more of them`]
      : []),
    '',
    'traces:',
    ...traceLines(story, today),
  ];
}
