/**
 * A computation that asks for what it needs and leaves open how it gets it, so that one text serves callers that wait
 * for promises and callers that block.
 */
export type Steps<Question, Answer, Result> = Generator<Question, Result, Answer>;

/** Runs the computation to its end. What `answer` throws, the computation may catch where it asked. */
export async function drive<Question, Answer, Result>(
  steps: Steps<Question, Answer, Result>,
  answer: (question: Question) => Promise<Answer>,
): Promise<Result> {
  let step = steps.next();
  while (!step.done) {
    let given: Answer;
    try {
      given = await answer(step.value);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(given);
  }
  return step.value;
}

/** As `drive`, without waiting. */
export function driveSync<Question, Answer, Result>(
  steps: Steps<Question, Answer, Result>,
  answer: (question: Question) => Answer,
): Result {
  let step = steps.next();
  while (!step.done) {
    let given: Answer;
    try {
      given = answer(step.value);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(given);
  }
  return step.value;
}
