const name = 'order-processor.recent-users';
const most = 12;

/** The users that this tab has shown last, the last first. */
export function recentUsers(): readonly string[] {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(name) ?? '[]');
    return Array.isArray(kept) ? kept.filter((id) => typeof id === 'string') : [];
  } catch {
    return [];
  }
}

export function remember(userId: string): void {
  const all = [userId, ...recentUsers().filter((id) => id !== userId)].slice(0, most);
  try {
    sessionStorage.setItem(name, JSON.stringify(all));
  } catch {
    // A browser may forbid storage; then nothing is remembered.
  }
}
