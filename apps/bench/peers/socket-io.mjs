/*
 * Socket.IO with the Redis Streams adapter and connection state recovery, as its documentation sets it up. Each user is
 * in a room of their own and in one with all; the address of Redis is in REDIS_URL.
 *
 *   ["send", user or null for all, body], acknowledged   →   ["message", body]
 */
import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-streams-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import { failed, ready } from './ready.mjs';

const EVERYONE = 'everyone';
const roomOf = (user) => `user-${user}`;

async function start() {
  const redis = new Redis((process.env['REDIS_URL'] ?? '').replace(/^unix:\/\//, ''));
  const http = createServer();
  const io = new Server(http, {
    transports: ['websocket'],
    serveClient: false,
    adapter: createAdapter(redis),
    connectionStateRecovery: {},
  });
  io.on('connection', (socket) => {
    socket.join([EVERYONE, roomOf(socket.handshake.auth['user'])]);
    socket.on('send', (to, body, acknowledge) => {
      io.to(to === null ? EVERYONE : roomOf(to)).emit('message', body);
      acknowledge();
    });
  });
  await new Promise((resolve, reject) => {
    http.on('error', reject);
    http.listen(0, '127.0.0.1', resolve);
  });
  ready({ websocket: `ws://127.0.0.1:${http.address().port}/socket.io/?EIO=4&transport=websocket`, engine: 'ws' });
}

start().catch(failed);
