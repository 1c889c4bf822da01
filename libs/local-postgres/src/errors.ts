/** What can stand between us and a PostgreSQL of our own. `whatToDo` is a sentence for the person at the terminal. */
export interface LocalPostgresError {
  readonly code:
    | 'postgres_missing'
    | 'postgres_too_old'
    | 'install_not_permitted'
    | 'install_failed'
    | 'no_plain_user'
    | 'directory_out_of_reach'
    | 'directory_in_use'
    | 'postgres_did_not_start'
    | 'postgres_did_not_stop';
  readonly message: string;
  readonly whatToDo: string;
}

export const describeLocalPostgresError = (error: LocalPostgresError): string => `${error.message}\n${error.whatToDo}`;
