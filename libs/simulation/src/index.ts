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
export { judgeGrowth, namesIn, thirdsOf, type Grown } from './growth.ts';
export { soak, type SoakHour, type SoakOptions, type SoakReport, type SoakSample } from './soak.ts';
export { type Fault } from './scenario.ts';
export { simulate, type SimulationOptions, type SimulationReport } from './simulate.ts';
