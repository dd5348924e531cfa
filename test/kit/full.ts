/** Whether `npm run full` runs the tests that `npm test` shortens. */
export const isFull = process.env.MODE === 'full';
