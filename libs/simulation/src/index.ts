export {
  ModelNodeStreams,
  type ModelNodeStreamsParts,
  type ModelStreamsClient,
  type StreamRequest,
} from './model-node-streams.ts';
export { ModelState, type ModelOperation } from './model-state.ts';
export { type ModelFate, type ModelRequest, type ModelStoreParts } from './model-connection.ts';
export { ModelStore } from './model-store.ts';
export { shrink, type Shrunk } from './shrink.ts';
export { simulate, type Fault, type SimulationOptions, type SimulationReport } from './simulate.ts';
