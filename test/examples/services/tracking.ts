export async function checkTrackingService(): Promise<void> {}
