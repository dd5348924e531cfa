import type { OrderOutcome, OrderRecord, Receipt } from 'order-processor';
import { type Answer, isAnswered } from './calls.ts';
import type { Driver } from './driver.ts';

/** What says nothing of the order or the lane: it may be anything. */
const unclear = ['storage_failed', 'shut_down', 'queue_full'];

/** What is wrong with the answer that a caller got. */
export function wrongAnswer(answer: Answer, driver: Driver): string[] {
  const { id, type, code, isVoid } = answer;
  if (isVoid) return [];
  if (!isAnswered(answer)) return [`invariant 4: ${type} ${id} never ends`];
  if (code !== undefined && unclear.includes(code)) return [];
  if (type === 'hold' || type === 'release') return wrongLane(answer);
  if (type === 'retry' || type === 'compensate') return wrongAgain(answer, driver);
  return wrongOutcome(answer, driver);
}

/** Lanes are held and released as long as the storage works; a release needs a hold, and an action that fits it. */
function wrongLane({ id, type, value, code }: Answer): string[] {
  if (code === undefined) return value === 'nothing' ? [`${type} ${id} answers nothing`] : [];
  const isMistaken = code === 'not_held' || code.startsWith('TypeError: Expected');
  return type === 'release' && isMistaken ? [] : [`${type} ${id} rejects with ${code}`];
}

/** Orders that did not complete come again, once; compensations of settled orders are tried again. */
function wrongAgain({ id, type, value, code }: Answer, { database }: Driver): string[] {
  if (code !== undefined)
    return code === 'not_failed' ? [] : [`${type} ${id} rejects with ${code}`];
  const record = value as OrderRecord;
  const order = database.find(id);
  if (order?.settledAt === undefined || order.status === 'completed') {
    return [`${type} ${id} is answered, and it is ${order?.status}`];
  }
  if (type === 'compensate') return record.id === id ? [] : [`compensate ${id} gives ${record.id}`];
  if (record.retryOf === id && order.retriedAs === record.id) return [];
  return [`invariant 5: ${id} came again as ${record.id}, and ${order.retriedAs} is known`];
}

function wrongOutcome({ id, type, value, code }: Answer, { database }: Driver): string[] {
  const order = database.find(id);
  if (code !== undefined) {
    if (code === order?.code) return [];
    return [`invariant 3: ${type} ${id} rejects with ${code}, and is ${order?.code}`];
  }
  if (type === 'cancel') {
    if (value === false || order?.status === 'canceled') return [];
    return [`invariant 3: ${id} counts as canceled, and is ${order?.status}`];
  }
  if (type === 'outcome' && value === 'nothing') return [];
  if (order?.settledAt === undefined) return [`invariant 4: ${type} ${id} is never settled`];
  if (type === 'submit' && (value as Receipt).balance !== order.balance) {
    return [`invariant 5: ${id} has the balance ${order.balance}, and its caller another`];
  }
  if (type !== 'outcome') return [];
  const outcome = value as OrderOutcome;
  const isUnclear = 'error' in outcome && unclear.includes(outcome.error.code);
  if (isUnclear || outcome.status === order.status) return [];
  return [`invariant 5: ${id} is ${order.status}, and its outcome ${outcome.status}`];
}
