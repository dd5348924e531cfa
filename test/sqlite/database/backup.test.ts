import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { range } from '../../kit/helpers.ts';
import { found, newOrder, rejection, settlement, useFolder } from '../helpers.ts';

const folder = useFolder();

describe('backup', () => {
  it('is a file like any other, as it was, while calls go on', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a', { payload: { deep: [1] } })]);
    await storage.settle([settlement('b', { amount: 7 })]);
    const backup = storage.backup(folder.path('copy.db'));
    const during = range(20).map((n) => storage.accept([newOrder(`later-${n}`)]));
    await Promise.all([backup, ...during]);
    expect(folder.files()).not.toContainEqual(expect.stringContaining('partial'));
    const copy = await folder.open({}, 'copy.db');
    expect(await copy.get('u-1')).toBe(7);
    expect(await found(copy, 'a')).toMatchObject({ payload: { deep: [1] }, attempt: 2 });
    expect(await copy.check()).toEqual([]);
    await copy.accept([newOrder('c')]);
    expect(await storage.find('c')).toBeUndefined();
  });

  it('refuses to write over anything', async () => {
    const storage = await folder.open();
    writeFileSync(folder.path('copy.db'), 'precious');
    for (const name of ['copy.db', 'orders.db']) {
      const path = folder.path(name);
      const { message } = await rejection(storage.backup(path));
      expect(message).toBe(`Could not back up ${folder.path()}: ${path} exists`);
    }
    const { message } = await rejection(storage.backup(folder.path('none/copy.db')));
    expect(message).toContain('its folder does not exist');
    expect(await storage.check()).toEqual([]);
  });
});
