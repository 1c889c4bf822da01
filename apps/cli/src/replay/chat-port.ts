import type { Result, UserId } from '@millrace/kernel';
import type { AnswerTo, RequestContent, SessionError } from '@millrace/raw-client';

/** How a replay speaks to the server: one request as one user, on whatever connection the user has. */
export interface ChatPort {
  request<Request extends RequestContent>(
    user: UserId,
    content: Request,
  ): Promise<Result<AnswerTo<Request>, SessionError>>;
}
