// As hosts have it: with the hundred lines of Vitest an error takes longer to make than an order.
Error.stackTraceLimit = 10;
