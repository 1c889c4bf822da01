export { fileStorage } from './node/file-storage.ts';
export { nodeClient } from './node/node-client.ts';
export { nodeWebSocket } from './node/node-web-socket.ts';
