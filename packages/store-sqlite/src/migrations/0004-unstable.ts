/** Since when a file has been changing again and again. */
export const unstable = `
ALTER TABLE files ADD COLUMN unstable_since INTEGER;
`;
