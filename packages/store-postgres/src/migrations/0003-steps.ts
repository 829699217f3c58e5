/** What the steps of a file's pipeline did; null without one. */
export const steps = (schema: string): string => `
ALTER TABLE ${schema}.files ADD COLUMN steps json;
`;
