export { Mailbox } from './mailbox.ts';
export { RestingActors, type RestingLimits } from './resting-actors.ts';
export { TrackedMap, TrackedValue, type Tracked } from './tracked.ts';
