import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { Body, BodyGroup } from '../../src/http/limits/request-bodies.ts';

const MEGABYTE = 1024 * 1024;

/** A group of incomplete bodies that counts how often one of them is looked at. */
function groupOf(bodies: number, octets: number) {
  let looks = 0;
  const group = new BodyGroup(4 * MEGABYTE);
  const request = {
    get complete() {
      looks++;
      return false;
    },
  } as IncomingMessage;
  const receive = (body: Body, length: number) => {
    body.receive(length);
    group.count(length);
    body.octets += length;
    return group.findExcess();
  };
  const all = Array.from({ length: bodies }, () => new Body(request));
  for (const body of all) {
    group.add(body);
    receive(body, octets);
  }
  return { group, all, receive, looks: () => looks };
}

describe('bodies with a common limit', () => {
  it('are not searched for each chunk while only small ones exceed it', () => {
    const { all, receive, looks } = groupOf(1000, 6000);
    const before = looks();
    for (let chunk = 0; chunk < 10; chunk++) for (const body of all) expect(receive(body, 10)).toEqual([]);
    // 100 kB arrived in 10,000 chunks.
    expect(looks() - before).toBeLessThanOrEqual(2 * all.length);
  });

  it('searches them again soon if one becomes large, even after others have left', () => {
    const { group, all, receive } = groupOf(1000, 6000);
    for (const body of all.slice(0, 200)) group.delete(body);
    const large = all[500];
    let dropped = false;
    for (let octets = 0; large && !dropped && octets < 300_000; octets += 1000) dropped = receive(large, 1000).includes(large);
    expect(dropped).toBe(true);
    expect(large?.octets).toBeLessThanOrEqual(6000 + 2 * 64 * 1024 + 1000);
  });
});
