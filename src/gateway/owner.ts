/** There is one account behind an endpoint. */
export const OWNER_ID = 'sealgate'
