/**
 * An HTTP face for an `OrderProcessor`, on Hono. Start at createOrderApp.
 *
 * @module
 */

export {};
