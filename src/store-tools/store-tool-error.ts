/** A store cannot be copied or checked. The message is for the operator. */
export class StoreToolError extends Error {}
