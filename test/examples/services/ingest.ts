export async function checkIngestService(): Promise<void> {}
