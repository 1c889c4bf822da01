/**
 * The fields of what nodes tell each other most, in the order in which the objects are made: with another order, or a field
 * more, an object is sent like any other one, with the names of its fields in it, which costs more.
 *
 * A shape's place in the list is what stands for it: whoever changes the list raises the version of the payloads in
 * `node-messages.ts`. At most 32 cost one byte each.
 */
export const nodeShapes: readonly (readonly string[])[] = [
  // Requests and answers.
  ['version', 'request'],
  ['q', 'key', 'command', 'priority'],
  ['ok', 'value'],
  // A message that is sent, and its acknowledgement.
  ['t', 'by', 'send'],
  ['user', 'device'],
  ['t', 'id', 'conversation', 'n', 'sentAt', 'type', 'body'],
  ['conversation', 'n', 'gen', 'seq', 'msgNo', 'at', 'level', 'duplicate'],
  // What diffusion brings to a user.
  ['t', 'items'],
  ['d', 'facts', 'gen', 'entries', 'behind', 'skipped', 'change'],
  ['conversation', 'kind', 'title'],
  // What comes into an inbox, for the sockets.
  ['n', 'user', 'push'],
  ['gen', 'from', 'to', 'items'],
  ['conversation', 'messages'],
  // What comes into a conversation that is pulled.
  ['n', 'conversation', 'gen', 'msgNo', 'entries', 'changes'],
  // Devices that come and go.
  ['n', 'user', 'device', 'arrival'],
  ['n', 'user', 'device', 'arrival', 'by'],
  ['version', 'owner', 'n'],
];
