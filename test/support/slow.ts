/** Whether the slow tests run in their short form, as CI runs them. */
export const SHORT = process.env['OCTAVO_SLOW'] !== 'full';
