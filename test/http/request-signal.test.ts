import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Response } from 'express';
import { afterAnswer, closeSignalOf, signalOf } from '../../src/http/request-context.ts';

describe('signalOf', () => {
  let server: Server;
  afterEach(() => void server.close());

  /** Answers one request, and returns its signal. */
  async function request(withinMs: number, client: AbortController): Promise<AbortSignal> {
    const { promise, resolve } = Promise.withResolvers<AbortSignal>();
    server = createServer((_request, response) => resolve(signalOf(response as Response, withinMs)));
    await new Promise<void>((listening) => void server.listen(0, '127.0.0.1', listening));
    fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { signal: client.signal }).catch(() => {});
    return promise;
  }
  const aborted = (signal: AbortSignal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)));

  it('is aborted when the client is gone', async () => {
    const client = new AbortController();
    const signal = await request(60_000, client);
    expect(signal.aborted).toBe(false);
    client.abort();
    expect(await aborted(signal)).toMatchObject({ code: 'store_unavailable' });
  });

  it('is aborted after the time limit', async () => {
    const client = new AbortController();
    expect(await aborted(await request(10, client))).toMatchObject({ code: 'store_unavailable' });
    client.abort();
  });
});

describe('a client that disconnects before its request is judged', () => {
  it('stops what it waits for, and does not stop the work after the answer', async () => {
    const { promise, resolve } = Promise.withResolvers<Response>();
    const server = createServer((_request, response) => resolve(response as Response));
    await new Promise<void>((listening) => void server.listen(0, '127.0.0.1', listening));
    const client = new AbortController();
    fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { signal: client.signal }).catch(() => {});
    const response = await promise;
    const before = closeSignalOf(response);
    const ran: string[] = [];
    afterAnswer(response, () => void ran.push('registered before'));
    expect(before.aborted).toBe(false);
    client.abort();
    await new Promise((closed) => response.once('close', closed));
    afterAnswer(response, () => void ran.push('registered after'));
    await new Promise((later) => setImmediate(later));
    expect([before.aborted, closeSignalOf(response).aborted]).toEqual([true, true]);
    expect(ran).toEqual(['registered before', 'registered after']);
    server.close();
  });
});
