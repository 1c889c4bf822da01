/** What can stand between us and a Redis of our own. `whatToDo` is a sentence for the person at the terminal. */
export interface LocalRedisError {
  readonly code:
    | 'redis_missing'
    | 'redis_too_old'
    | 'install_not_permitted'
    | 'install_failed'
    | 'directory_in_use'
    | 'path_too_long'
    | 'redis_did_not_start'
    | 'redis_did_not_stop';
  readonly message: string;
  readonly whatToDo: string;
}

export const describeLocalRedisError = (error: LocalRedisError): string => `${error.message}\n${error.whatToDo}`;
