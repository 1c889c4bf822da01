import { isIP } from 'node:net';
import { STORE_FORMAT } from '@millrace/partition';
import { isRedisUrl } from '@millrace/redis-store';
import { archiveAllowed, isArchiveText } from '../archive/archive-choice.ts';
import { isSearchFieldsText, isSearchText, searchAllowed, searchFieldsAllowed } from '../search/search-choice.ts';
import { list, oneOf, optionalText, optionalWholeNumber, text, wholeNumber, yesOrNo } from './variable.ts';

const isPath = (value: string): boolean => value.length > 0 && !value.includes('\0');
const isName = (value: string): boolean => /^[A-Za-z0-9._-]{1,40}$/.test(value);
const isHost = (value: string): boolean => isIP(value) !== 0 || /^[A-Za-z0-9.-]{1,253}$/.test(value);

function isUrl(value: string, protocols: readonly string[]): boolean {
  return URL.canParse(value) && protocols.includes(new URL(value).protocol);
}

/** `scheme://host[:port]`, as browsers send it, or `*`. */
const isOrigin = (value: string): boolean =>
  value === '*' || (isUrl(value, ['http:', 'https:']) && new URL(value).origin === value);

function isRange(value: string): boolean {
  const [address = '', bits, ...more] = value.split('/');
  const version = isIP(address);
  if (version === 0 || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

const path = 'a path';

/** Every variable that Millrace reads, in the order of docs/configuration.md. The only list of them. */
export const variables = {
  mode: oneOf('MILLRACE_MODE', ['development', 'production'], 'development', {
    about:
      '`development`: listens on loopback only, makes its own secrets and, without a Redis, starts one. `production`: has no such conveniences and starts only with explicit keys.',
  }),
  host: text('MILLRACE_HOST', 'an address or host name of this machine', isHost, '127.0.0.1', {
    about: 'Where HTTP and sockets listen. In development mode a loopback address.',
  }),
  port: wholeNumber('MILLRACE_PORT', [0, 65_535], 7_400, { about: 'The HTTP port; 0 takes a free one.' }),
  socketPort: optionalWholeNumber('MILLRACE_SOCKET_PORT', [0, 65_535], '`MILLRACE_PORT` + 1', {
    about: 'The port of the sockets; 0 takes a free one.',
  }),
  socketUrl: optionalText(
    'MILLRACE_SOCKET_URL',
    'an address that begins with `ws://` or `wss://`',
    (value) => isUrl(value, ['ws:', 'wss:']),
    {
      about: 'What `/api/v1/endpoints` tells clients, when a proxy stands in front of the sockets.',
    },
    "the request's host and the socket port",
  ),
  socketEngine: oneOf('MILLRACE_SOCKET_ENGINE', ['auto', 'uws', 'ws'], 'auto', {
    about: 'The socket engine. `auto` takes uWebSockets.js where its binary loads, else ws, and logs which and why.',
  }),
  redisUrl: optionalText(
    'REDIS_URL',
    'an address that begins with `redis://`, `rediss://` or `unix://`, or like `redis+sentinel://host:26379,host:26379/name`',
    isRedisUrl,
    {
      about:
        'The Redis that keeps everything; also read as `MILLRACE_REDIS_URL`. With `redis+sentinel`, or `rediss+sentinel` for TLS, the master that the Sentinels know by that name; `user:password@` before the hosts is for the Redis, `?sentinel-password=` behind the name for the Sentinels.',
      secret: true,
    },
    'in development mode a private one under `MILLRACE_DATA_DIR`',
  ),
  redisPrefix: text('MILLRACE_REDIS_PREFIX', 'up to 32 of A-Z a-z 0-9 : . _ -', (v) => /^[\w:.-]{0,32}$/.test(v), '', {
    about: 'Put before every key in Redis, so that several clusters can share one.',
  }),
  dataDir: text('MILLRACE_DATA_DIR', path, isPath, '.millrace', {
    about: 'Where the private Redis and the development secrets are kept.',
  }),
  archive: optionalText(
    'MILLRACE_ARCHIVE',
    archiveAllowed,
    isArchiveText,
    {
      about:
        'Where the entries of conversations go that need not be in Redis any more ([archive](archive.md)). `sqlite`: a file of this process alone, `archive.sqlite` under `MILLRACE_DATA_DIR` unless a path is given. `postgres://`: for several nodes, all of which must use the same one. `none`: everything stays in Redis. Once something was archived, nodes start only with that archive.',
      secret: true,
    },
    'in development mode with a private Redis and one process `sqlite`, else `none`',
  ),
  hotMessages: wholeNumber('MILLRACE_HOT_MESSAGES', [1, 1_000_000], 1_000, {
    about:
      'Entries of a conversation that stay in Redis when there is an archive, and up to 50 more. When 60 % of its memory (`maxmemory`) is in use, only 50 stay until less is.',
  }),
  hotDays: wholeNumber('MILLRACE_HOT_DAYS', [1, 36_500], 30, {
    about:
      'For how many days at most, when there is an archive. A conversation in which nothing was said for so long leaves Redis but for its members and positions.',
  }),
  retentionDays: wholeNumber('MILLRACE_RETENTION_DAYS', [0, 36_500], 0, {
    about:
      'For how many days entries of conversations are kept, and one more at most: then they leave Redis and the archive ([archive](archive.md#what-is-not-kept)). A conversation may say less. `0`: for ever.',
  }),
  search: optionalText(
    'MILLRACE_SEARCH',
    searchAllowed,
    isSearchText,
    {
      about:
        'Where messages are found by their words ([search](search.md)). `sqlite`: a directory of this process alone, `search` under `MILLRACE_DATA_DIR` unless one is given. `typesense:https://HOST:PORT`: for several nodes; more of its nodes come behind commas, and `?nearest=https://HOST:PORT` names the one to ask first, `&name=` what its collections are called (`millrace`). `none`: messages cannot be searched for. The index is made from the conversations, and made anew where it is gone.',
    },
    'in development mode with a private Redis and one process `sqlite`, else `none`',
  ),
  searchKeyFile: optionalText('MILLRACE_SEARCH_KEY_FILE', path, isPath, {
    about:
      'A file with the key of Typesense, which needs all rights on the collections, documents and aliases of that name (white space around it is left out).',
  }),
  searchFields: optionalText('MILLRACE_SEARCH_FIELDS', searchFieldsAllowed, isSearchFieldsText, {
    about:
      'What of which message is searched for beside the words of a `text`: a file with JSON, or the JSON itself, such as `{"custom": {"text": ["/title"], "fields": {"order": "/order/number"}}}` ([search](search.md#fields)). It holds for what is indexed from then on, and with a rebuild for all.',
  }),
  nodeName: optionalText(
    'MILLRACE_NODE_NAME',
    '1 to 40 of A-Z a-z 0-9 . _ -',
    isName,
    {
      about:
        'The identity of this node over its restarts: a new run replaces the one before it at once. Two nodes of one Redis must not share it.',
    },
    'host name and HTTP port',
  ),
  processes: wholeNumber('MILLRACE_PROCESSES', [1, 64], 1, {
    about:
      'How many server processes share the two ports; `--processes` says it, too, and goes first. More than one: each is a node of its own, called like this one with `-1`, `-2` … behind, below a parent that starts again what dies. Limits and rates count for each process.',
  }),
  roles: list(
    'MILLRACE_ROLES',
    '`gateway`, `actors`, `jobs`',
    (value) => ['gateway', 'actors', 'jobs'].includes(value),
    {
      about:
        'What this node does. `gateway`: it holds sockets. `actors`: it owns partitions, its share of them beside the other nodes of the same Redis. `jobs`: it does what may wait: it sends scheduled messages when their time has come, and brings into the archive what need not be hot any more; at least one node must have it. Every node answers the HTTP API.',
    },
    '`gateway,actors,jobs`',
  ),
  partitions: wholeNumber('MILLRACE_PARTITIONS', [1, 4_096], 64, {
    about:
      'Slices that the actors are spread over, and the most nodes that can own work. Fixed when a cluster is born: never change it for existing data. Each costs something for every commit, so as few as will do: 64 share evenly among up to some twenty nodes.',
  }),
  storeFormat: wholeNumber('MILLRACE_STORE_FORMAT', [1, STORE_FORMAT], STORE_FORMAT, {
    about:
      'How the store keeps what it keeps. `2`: conversations of two are in the partition of one of the two, so that on several nodes most of what a message causes stays on one. `3`: short conversations take a quarter less memory, too. `1`: neither, as in stores that were born before this could be chosen. Fixed when a cluster is born: never change it for existing data; a node that says otherwise does not start.',
  }),
  ackLevel: oneOf('MILLRACE_ACK', ['memory', 'disk', 'replicated'], 'memory', {
    about:
      'What an acknowledged message survives. `memory`: Redis has it, a power loss or a kill of Redis may cost the last second. `disk`: it was fsynced; needs `appendfsync always`. `replicated`: a replica has it, too, so it survives the loss of a master; while no replica is attached nothing is acknowledged.',
  }),
  jwtSecret: optionalText(
    'MILLRACE_JWT_SECRET',
    'at least 32 characters',
    (value) => value.length >= 32,
    { about: "Checks the users' tokens by HS256.", secret: true },
    'in development mode a generated one',
  ),
  jwtSecretFile: optionalText('MILLRACE_JWT_SECRET_FILE', path, isPath, {
    about: 'The same, read from a file (white space around it is left out).',
  }),
  jwtPublicKeyFile: optionalText('MILLRACE_JWT_PUBLIC_KEY_FILE', path, isPath, {
    about: "Checks the users' tokens by a public key in PEM form (RS256 or ES256).",
  }),
  jwtJwksFile: optionalText('MILLRACE_JWT_JWKS_FILE', path, isPath, {
    about: "Checks the users' tokens by the public keys of a JWKS file.",
  }),
  jwtJwksUrl: optionalText(
    'MILLRACE_JWT_JWKS_URL',
    'an address that begins with `https://`, or with `http://` on loopback',
    (value) =>
      isUrl(value, ['https:']) ||
      (isUrl(value, ['http:']) && ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(value).hostname)),
    { about: "Checks the users' tokens by the public keys at this address." },
  ),
  jwtAlgorithms: list(
    'MILLRACE_JWT_ALGORITHMS',
    '`HS256` (with a secret), `RS256`, `ES256` (with public keys)',
    (value) => ['HS256', 'RS256', 'ES256'].includes(value),
    { about: 'The only algorithms that are taken.' },
    '`HS256` with a secret, `RS256,ES256` with public keys',
  ),
  jwtAudience: text('MILLRACE_JWT_AUDIENCE', '1 to 200 characters', (v) => v.length <= 200, 'millrace', {
    about: 'A token must name this audience.',
  }),
  jwtIssuer: optionalText(
    'MILLRACE_JWT_ISSUER',
    '1 to 200 characters',
    (value) => value.length <= 200,
    { about: 'A token must name this issuer.' },
    'any issuer',
  ),
  apiKeys: optionalText(
    'MILLRACE_API_KEYS',
    '`name:scope+scope:key`, several between commas',
    () => true,
    {
      about:
        'Keys of the HTTP API. Scopes are `read`, `write`, `metrics`, `admin`; the key is given plainly (24 characters or more) or as `sha256=` and its SHA-256 in hexadecimal digits.',
      secret: true,
    },
    'in development mode a generated one',
  ),
  apiKeysFile: optionalText('MILLRACE_API_KEYS_FILE', path, isPath, {
    about: 'The same, read from a file with one key a line; `#` begins a comment.',
  }),
  endpointsNeedKey: yesOrNo('MILLRACE_ENDPOINTS_NEED_KEY', false, {
    about: 'Whether `/api/v1/endpoints` is told only to those who have an API key (scope `read`).',
  }),
  origins: list(
    'MILLRACE_ORIGINS',
    'an origin such as `https://chat.example.org`, or `*`',
    isOrigin,
    {
      about:
        'The web sites whose pages may open sockets. Programs that are no browsers send no origin and are not concerned. `*` is refused in production mode.',
    },
    'in development mode any, in production mode none',
  ),
  trustedProxies: list('MILLRACE_TRUSTED_PROXIES', 'an address or CIDR range', isRange, {
    about: 'Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.',
  }),
  httpPerSecond: wholeNumber('MILLRACE_HTTP_PER_SECOND', [1, 1_000_000], 1_000, {
    about: 'HTTP requests a second that one address may go on making.',
  }),
  httpBurst: wholeNumber('MILLRACE_HTTP_BURST', [1, 1_000_000], 2_000, {
    about: 'HTTP requests that one address may make at once after a pause.',
  }),
  socketsMax: wholeNumber('MILLRACE_SOCKETS_MAX', [1, 1_000_000], 100_000, {
    about: 'Sockets open at a time.',
  }),
  socketsPerIpMax: wholeNumber('MILLRACE_SOCKETS_PER_IP_MAX', [1, 1_000_000], 20_000, {
    about: 'Sockets of one address at a time.',
  }),
  sessionsPerUserMax: wholeNumber('MILLRACE_SESSIONS_PER_USER_MAX', [1, 1_000], 32, {
    about: 'Sessions of one user at a time.',
  }),
  connectsPerSecond: wholeNumber('MILLRACE_CONNECTS_PER_SECOND', [1, 1_000_000], 2_000, {
    about: 'Sockets that one address may go on opening a second; ten times as many at once.',
  }),
  framesPerSecond: wholeNumber('MILLRACE_FRAMES_PER_SECOND', [1, 1_000_000], 2_000, {
    about: 'Frames a second that one session may go on sending; twice as many at once, and for all sessions of a user.',
  }),
  sendBufferBytesMax: wholeNumber('MILLRACE_SEND_BUFFER_BYTES_MAX', [16_384, 67_108_864], 1_048_576, {
    about: 'What a device may leave unread, in bytes; well before it pushes stop and the device is told to sync.',
  }),
  idleMs: wholeNumber('MILLRACE_IDLE_MS', [1_000, 3_600_000], 75_000, {
    about: 'A socket that sent nothing for so long, in milliseconds, is closed.',
  }),
  membersMax: wholeNumber('MILLRACE_MEMBERS_MAX', [2, 100_000], 10_000, {
    about: 'Members of one conversation.',
  }),
  recallWindowMs: wholeNumber('MILLRACE_RECALL_WINDOW_MS', [0, 31_536_000_000], 86_400_000, {
    about:
      'How long the author of a message may recall it, in milliseconds; the owner and admins of a group may at any time.',
  }),
  readAbove: wholeNumber('MILLRACE_READ_ABOVE', [2, 100_000], 200, {
    about:
      'With more members than this a conversation is pulled by its members’ devices, and its messages are not put into each inbox.',
  }),
  writeBelow: wholeNumber('MILLRACE_WRITE_BELOW', [1, 100_000], 150, {
    about:
      'With fewer members than this they are put into each inbox again; at most `MILLRACE_READ_ABOVE`. The wider apart the two are, the more rarely a conversation switches.',
  }),
  readAboveLoad: wholeNumber('MILLRACE_READ_ABOVE_LOAD', [100, 1_000_000_000], 20_000, {
    about:
      'With more deliveries a second than this (messages times members, as an average over `MILLRACE_LOAD_WINDOW_MS`) a conversation of fewer members is pulled, too, for as long as that goes on.',
  }),
  writeBelowLoad: wholeNumber('MILLRACE_WRITE_BELOW_LOAD', [1, 1_000_000_000], 10_000, {
    about:
      'With fewer deliveries a second than this its messages are put into each inbox again; at most `MILLRACE_READ_ABOVE_LOAD`.',
  }),
  loadWindowMs: wholeNumber('MILLRACE_LOAD_WINDOW_MS', [100, 3_600_000], 10_000, {
    about: 'Over how long deliveries are averaged, in milliseconds: what is longer ago weighs less and less.',
  }),
  lobbiesMax: wholeNumber('MILLRACE_LOBBIES_MAX', [0, 1_000_000], 10_000, {
    about: 'Lobbies that live on this node at a time; `0` for none at all.',
  }),
  lobbyMembersMax: wholeNumber('MILLRACE_LOBBY_MEMBERS_MAX', [1, 10_000], 1_000, {
    about: 'Members of one lobby; its creator may ask for fewer.',
  }),
  lobbyBacklogMax: wholeNumber('MILLRACE_LOBBY_BACKLOG_MAX', [0, 1_000], 1_000, {
    about: 'Entries that a lobby may keep for those who come late; 100 when its creator does not say.',
  }),
  lobbyBacklogBytesMax: wholeNumber('MILLRACE_LOBBY_BACKLOG_BYTES_MAX', [0, 16_777_216], 262_144, {
    about: 'Bytes of the entries that a lobby keeps; the oldest ones go when it would be more.',
  }),
  lobbyGraceMs: wholeNumber('MILLRACE_LOBBY_GRACE_MS', [500, 3_600_000], 30_000, {
    about: 'How long, in milliseconds, a member stays in a lobby who has it open on no device.',
  }),
  lobbyEmptyMs: wholeNumber('MILLRACE_LOBBY_EMPTY_MS', [0, 3_600_000], 10_000, {
    about: 'How long a lobby stays when nobody is in it, in milliseconds.',
  }),
  lobbyIdleMs: wholeNumber('MILLRACE_LOBBY_IDLE_MS', [1_000, 604_800_000], 21_600_000, {
    about: 'How long a lobby stays when nobody writes there, in milliseconds.',
  }),
  inboxEntriesMax: wholeNumber('MILLRACE_INBOX_ENTRIES_MAX', [100, 1_000_000], 10_000, {
    about: 'Entries kept in the hot inbox of a user; a device further behind gets a snapshot.',
  }),
  inboxHoursMax: wholeNumber('MILLRACE_INBOX_HOURS_MAX', [1, 87_600], 720, {
    about: 'How long an inbox entry is kept, in hours.',
  }),
  actorsMax: wholeNumber('MILLRACE_ACTORS_MAX', [100, 10_000_000], 100_000, {
    about: 'Conversations and users kept in memory while nothing is asked of them.',
  }),
  traceMessages: wholeNumber('MILLRACE_TRACE_MESSAGES', [0, 1_000_000], 16_384, {
    about:
      'Of about how many messages this node keeps in memory what became of them, for `millrace explain`: up to 1.2 kB each. `0` notes nothing.',
  }),
  leaseMs: wholeNumber('MILLRACE_LEASE_MS', [1_000, 600_000], 10_000, {
    about:
      'How long this node may act without renewing its lease, in milliseconds: so long its partitions wait for another node when this one dies.',
  }),
  drainMs: optionalWholeNumber('MILLRACE_DRAIN_MS', [0, 600_000], '`10000`, in development mode `1000`', {
    about: 'How long a stop may take for clients to finish, in milliseconds; then sockets are closed.',
  }),
  logLevel: oneOf('MILLRACE_LOG_LEVEL', ['debug', 'info', 'warn', 'error'], 'info', { about: 'What is logged.' }),
  logFormat: oneOf('MILLRACE_LOG_FORMAT', ['auto', 'text', 'json'], 'auto', {
    about: '`auto`: text for people in development mode, JSON lines in production mode, where `text` is refused.',
  }),
} as const;
